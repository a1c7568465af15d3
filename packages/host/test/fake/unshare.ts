import t from 'tap'
import { createFakeHost, createFakeUnshare, type FakeProgram } from '../../src/fake/index.ts'
import { runWithPasswd } from '../../src/index.ts'

void t.test('createFakeUnshare() reports a program that fails, and a missing program', async (t) => {
  const programs: Record<string, FakeProgram> = {
    '/usr/bin/unshare': createFakeUnshare(() => programs),
    '/usr/bin/no': () => ({ exitCode: 5, stdout: 'out\n', stderr: 'err\n' }),
    ...Object.fromEntries(['find', 'mount', 'timeout'].map((name) => [`/usr/bin/${name}`, () => ({})])),
  }
  const host = createFakeHost({ programs })
  const run = (program: string) =>
    runWithPasswd(host, [program], { passwd: '/dev/null', whenRefused: 'run' }, { touches: 'nothing', accept: [0, 1] })
  t.strictSame(await run('/usr/bin/no'), { exitCode: 1, stdout: 'out\n', stderr: 'err\n' })
  t.equal((await run('/usr/bin/none')).exitCode, 1)
})
