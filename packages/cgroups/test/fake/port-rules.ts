import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { createFakePortRules } from '../../src/fake/port-rules.ts'

const folder = '/proc/1/fdinfo'

void t.test('createFakePortRules() forgets as systemd 257 does', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  const host = createFakeHost()
  const walls = createFakePortRules(cgroupfs)
  place('user.slice/user-5.slice', 1)
  await walls.install(host, 'user-9.slice', ['user-9.slice'])
  t.strictSame(await host.list(folder), [], 'nobody uses it')
  await walls.install(host, 'user-9.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 2, 'a neighbour gets its own')
  await walls.install(host, 'user-9.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 2, 'once')
  await walls.install(host, 'user-5.slice', ['user-5.slice'])
  t.equal((await host.list(folder)).length, 4, 'built anew the old one stays')
  await walls.reload(host)
  t.equal((await host.list(folder)).length, 2, 'for good')
})
