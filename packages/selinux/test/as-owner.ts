import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { asOwner } from '../src/as-owner.ts'

const cannot = process.getuid?.() !== 0 && 'needs root to become another user'

void t.test('asOwner() names the missing package', async (t) => {
  t.throws(() => asOwner(createFakeHost(), 5, ['/usr/bin/find']), {
    code: 'SELINUX_NOT_INSTALLED',
    message: /apt-get install util-linux/,
  })
})

void t.test('asOwner() runs with the rights of that user only', { skip: cannot }, async (t) => {
  const host = createHost()
  const program = (name: string) => host.program(name) ?? name
  const [uid, root] = [24_242, t.testdir({ file: 'x' })]
  const { stdout } = await host.run(asOwner(host, uid, [program('cat'), '/proc/self/status']), { touches: 'nothing' })
  t.match(stdout, /^Uid:\t24242\t24242\t24242\t24242$/m)
  t.match(stdout, /^Groups:\s*$/m)
  for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
    t.match(stdout, new RegExp(`^Cap${set}:\\t0000000000000000$`, 'm'))
  const change = asOwner(host, uid, [program('chmod'), '777', `${root}/file`])
  t.match(await host.run(change, { touches: 'files', accept: [0, 1] }), { exitCode: 1 })

  const [setpriv, ...args] = asOwner(host, uid, [program('sleep'), '30'])
  const sleeping = spawn(setpriv, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => sleeping.kill('SIGKILL'))
  await once(sleeping, 'spawn')
  const environ = `/proc/${sleeping.pid}/environ`
  for (let turn = 0; turn < 100 && !(await host.read(`/proc/${sleeping.pid}/comm`))?.startsWith('sleep'); turn += 1)
    await new Promise((wake) => setTimeout(wake, 20))
  const peek = async (gid: number) => {
    const words = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', program('cat'), environ]
    return host.run([program('setpriv'), ...words], { touches: 'nothing', accept: [0, 1] })
  }
  t.match(await peek(uid), { exitCode: 1, stderr: /Permission denied/ }, 'the user cannot trace it')
  t.match(await peek(65_534), { exitCode: 0 }, 'only the group differs')
})
