import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { HostError } from '@puppy/host'
import t from 'tap'
import { effectOptions, programOf, runProgram, signalOf } from '../src/program.ts'

const what = { touches: 'nothing', operation: 'read', target: '/x' } as const
const hostWith = (program: FakeProgram) => createFakeHost({ programs: { '/usr/sbin/semodule': program } })
const failing = (code: HostError['code']) =>
  hostWith(() => {
    throw new HostError(code, { operation: 'run semodule', stderr: ' why \n' })
  })

void t.test('runProgram() reports a missing program and the reason of a failure', async (t) => {
  t.match(
    await runProgram(
      hostWith(() => ({ stdout: 'x' })),
      ['semodule', '-l'],
      what,
    ),
    { stdout: 'x' },
  )
  await t.rejects(runProgram(createFakeHost(), ['semodule'], what), {
    code: 'SELINUX_NOT_INSTALLED',
    message: /semodule.*apt-get install policycoreutils/,
  })
  for (const [code, ours] of [
    ['HOST_TIMEOUT', 'SELINUX_TIMEOUT'],
    ['HOST_OUTPUT_TOO_LARGE', 'SELINUX_UNREADABLE'],
    ['HOST_PROGRAM_FAILED', 'SELINUX_REFUSED'],
    ['HOST_ABORTED', 'HOST_ABORTED'],
  ] as const)
    await t.rejects(runProgram(failing(code), ['semodule'], what), { code: ours })
  t.match(await runProgram(failing('HOST_PROGRAM_FAILED'), ['semodule'], what).catch((error: unknown) => error), {
    facts: { said: 'why' },
  })
})

void t.test(
  'programOf() finds a program, and effectOptions() and signalOf() return only options that are set',
  async (t) => {
    t.equal(
      programOf(
        hostWith(() => ({})),
        'semodule',
      ),
      '/usr/sbin/semodule',
    )
    t.throws(() => programOf(createFakeHost(), 'find'), {
      code: 'SELINUX_NOT_INSTALLED',
      message: /apt-get install findutils$/,
    })
    t.strictSame([effectOptions({}), signalOf({})], [{}, {}])
    const { signal } = new AbortController()
    t.strictSame(effectOptions({ timeout: 5, signal }), { timeout: 5, signal })
    t.strictSame(signalOf({ timeout: 5, signal }), { signal })
  },
)
