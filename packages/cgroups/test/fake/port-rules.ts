import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { createFakePortRules } from '../../src/fake/port-rules.ts'

const folder = '/proc/1/fdinfo'

void t.test('createFakePortRules() loses port rules as systemd 257 does', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  const host = createFakeHost()
  const rules = createFakePortRules(cgroupfs)
  place('user.slice/user-5.slice', 1)
  await rules.install(host, 'user-9.slice', ['user-9.slice'])
  t.strictSame(await host.list(folder), [], 'the slice is not in use')
  await rules.install(host, 'user-9.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 2, 'the rules of a sibling are attached')
  await rules.install(host, 'user-9.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 2, 'only once')
  await rules.install(host, 'user-5.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 4, 'the old rules stay when rules are attached again')
  await rules.reload(host)
  t.equal((await host.list(folder)).length, 2, 'the untracked rules are never detached')
})
