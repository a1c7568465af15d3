import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { HostError } from '@puppy/host'
import t from 'tap'
import { bounded, runProgram } from '../src/program.ts'

const run = (program: FakeProgram, name = 'repquota') =>
  runProgram(createFakeHost({ programs: { '/usr/sbin/repquota': program } }), [name, '-u'], {
    touches: 'nothing',
    operation: 'read',
    target: '/home',
  })
const fails = (code: 'HOST_TIMEOUT' | 'HOST_OUTPUT_TOO_LARGE' | 'HOST_ABORTED') => () => {
  throw new HostError(code, { operation: 'run' })
}

void t.test('runProgram() says which package is missing', async (t) => {
  await t.rejects(
    run(() => ({}), 'xfs_quota'),
    { code: 'QUOTA_NOT_INSTALLED', message: /install the package xfsprogs/ },
  )
})

void t.test('runProgram() translates what the host says', async (t) => {
  await t.rejects(
    run(() => ({ exitCode: 3, stderr: 'no\n' })),
    { code: 'QUOTA_REFUSED', facts: { said: 'no' } },
  )
  await t.rejects(run(fails('HOST_TIMEOUT')), { code: 'QUOTA_TIMEOUT', message: /repquota -u did not end in 30000 ms/ })
  await t.rejects(run(fails('HOST_OUTPUT_TOO_LARGE')), { code: 'QUOTA_UNREADABLE' })
  await t.rejects(run(fails('HOST_ABORTED')), { code: 'HOST_ABORTED' })
  t.match(await run(() => ({ stdout: 'x' })), { stdout: 'x' })
})

void t.test('bounded() passes on time and signal only', async (t) => {
  t.strictSame(bounded({ timeout: 5, force: true } as { timeout: number }), { timeout: 5 })
})
