import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { HostError, type Tool } from '@puppy/host'
import t from 'tap'
import { requireQuotaTools, runProgram } from '../src/program.ts'

const run = (program: FakeProgram, name: Tool = 'repquota') =>
  runProgram(createFakeHost({ programs: { '/usr/sbin/repquota': program } }), [name, '-u'], {
    touches: 'nothing',
    operation: 'read',
    target: '/home',
  })
const fails = (code: 'HOST_TIMEOUT' | 'HOST_OUTPUT_TOO_LARGE' | 'HOST_ABORTED') => () => {
  throw new HostError(code, { operation: 'run' })
}

void t.test('runProgram() names the Debian package of a missing program', async (t) => {
  await t.rejects(
    run(() => ({}), 'xfs_quota'),
    { code: 'QUOTA_NOT_INSTALLED', message: /to enable it: apt-get install xfsprogs/ },
  )
})

void t.test('runProgram() translates errors of the host', async (t) => {
  await t.rejects(
    run(() => ({ exitCode: 3, stderr: 'no\n' })),
    { code: 'QUOTA_REFUSED', facts: { said: 'no' } },
  )
  await t.rejects(run(fails('HOST_TIMEOUT')), {
    code: 'QUOTA_TIMEOUT',
    message: /repquota -u did not end within 120000 ms/,
  })
  await t.rejects(run(fails('HOST_OUTPUT_TOO_LARGE')), { code: 'QUOTA_UNREADABLE' })
  await t.rejects(run(fails('HOST_ABORTED')), { code: 'HOST_ABORTED' })
  t.match(await run(() => ({ stdout: 'x' })), { stdout: 'x' })
})

void t.test('requireQuotaTools() names the first missing program', async (t) => {
  const host = (...names: readonly string[]) =>
    createFakeHost({ programs: Object.fromEntries(names.map((name) => [`/usr/sbin/${name}`, () => ({})])) })
  t.throws(() => requireQuotaTools(host('repquota')), {
    code: 'QUOTA_NOT_INSTALLED',
    message: /setquota.*apt-get install quota/,
  })
  t.doesNotThrow(() => requireQuotaTools(host('repquota', 'setquota')))
})
