import t from 'tap'
import { disabledFolder, modulesFolder, storePaths } from '../../src/store/paths.ts'

void t.test('storePaths() returns paths of one policy and refuses invalid names', async (t) => {
  const { active, previous, lock, policy } = storePaths('mls')
  t.strictSame(
    [active, previous, lock, policy],
    [
      '/var/lib/selinux/mls/active',
      '/var/lib/selinux/mls/previous',
      '/var/lib/selinux/mls/semanage.trans.LOCK',
      '/etc/selinux/mls',
    ],
  )
  t.strictSame([modulesFolder('/x'), disabledFolder('/x')], ['/x/modules/400', '/x/modules/disabled'])
  for (const bad of ['../x', '', '.', 'a/b']) t.throws(() => storePaths(bad), { code: 'SELINUX_INVALID' }, bad)
})
