import { parseMountinfo } from '@puppy/host/proc'
import t from 'tap'
import { findMount } from '../src/mount.ts'
import { fixture } from './support/fixture.ts'

const mounts = parseMountinfo(fixture('mountinfo'))
const find = (device: string, path: string) => findMount(mounts, device, path)?.mountPoint

void t.test('findMount() finds the mount of the root of a file system by its device', async (t) => {
  t.equal(find('254:16', '/home/p10000'), '/home')
  t.equal(find('254:16', '/mnt/f/x'), '/home', 'a path below a bind mount')
  t.equal(find('99:99', '/home/p'), undefined, 'an ext4 device that is not listed')
  t.equal(find('99:99', '/tmp/p'), '/tmp', 'a device that is not listed: the longest mount point')
  t.equal(find('99:99', '/tmpx/p'), undefined)
  const bind = mounts.filter(({ mountPoint }) => mountPoint !== '/home')
  t.equal(findMount(bind, '254:16', '/mnt/f')?.root, '/lost+found', 'only the bind mount exists')
  const over = [...mounts, ...parseMountinfo('900 28 0:99 / /home rw - tmpfs none rw\n')]
  t.equal(findMount(over, '0:99', '/home/x')?.fileSystem, 'tmpfs')
  t.not(findMount(over, '254:16', '/mnt/f')?.mountPoint, '/home', 'a covered mount is ignored')
})
