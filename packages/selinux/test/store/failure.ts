import { HostError } from '@puppy/host'
import t from 'tap'
import { failureOf, isLocked, isMute, reasonIn } from '../../src/store/failure.ts'

const store = '/var/lib/selinux/default'
const failed = (stderr: string) =>
  failureOf(new HostError('HOST_PROGRAM_FAILED', { operation: 'run', stderr }), store, ['ours-1'])

void t.test('failureOf() names the refused module and its owner', async (t) => {
  const at = (name: string) =>
    `Failed to resolve allow statement at ${store}/tmp/modules/400/${name}/cil:3\nFailed to resolve AST\n`
  t.match(failed(at('ours-1')), { code: 'SELINUX_REFUSED', message: /the module ours-1 was refused in line 3/ })
  t.match(failed(at('theirs')), {
    message: /another program’s module \(priority 400\) theirs was refused in line 3; repair or remove/,
  })
  t.match(failed(at('theirs') + at('ours-1')), { facts: { value: 'ours-1' } })
  t.match(failed('semodule:  Failed!'), { code: 'SELINUX_REFUSED', facts: { said: 'semodule:  Failed!' } })
})

void t.test('failureOf() recognizes a full disk and a timeout', async (t) => {
  t.equal(failed('write: No space left on device').code, 'SELINUX_NO_SPACE')
  const slow = new HostError('HOST_TIMEOUT', { operation: 'run' })
  t.equal(failureOf(slow, store, []).code, 'SELINUX_TIMEOUT')
})

void t.test('isMute() recognizes a failure without a reason', async (t) => {
  for (const said of ['', '/usr/sbin/semodule:  Failed!', 'libsemanage: No such file or directory'])
    t.ok(isMute(said), said)
  for (const said of ['why\n/usr/sbin/semodule:  Failed!', 'why\nlibsemanage: Success', 'Failed to resolve AST'])
    t.notOk(isMute(said), said)
})

void t.test('isLocked() and reasonIn() parse the output of semodule', async (t) => {
  const said =
    'libsemanage.semanage_get_lock: Could not get direct transaction lock at /x. (Resource temporarily unavailable).'
  t.ok(isLocked(said))
  t.notOk(isLocked('semodule:  Failed!'))
  t.equal(reasonIn('libsemanage.add_user: user sddm not in password file\nwhy\n'), 'why')
})
