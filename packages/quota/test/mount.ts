import { parseMountinfo } from '@puppy/host/proc'
import t from 'tap'
import { findMount } from '../src/mount.ts'
import { fixture } from './support/fixture.ts'

const mounts = parseMountinfo(fixture('mountinfo'))
const find = (device: string, path: string) => findMount(mounts, device, path)?.mountPoint

void t.test('findMount() goes by device, to the file system’s own root', async (t) => {
  t.equal(find('254:16', '/home/p10000'), '/home')
  t.equal(find('254:16', '/mnt/f/x'), '/home', 'a bind mount of it')
  t.equal(find('99:99', '/home/p'), undefined, 'a device of ext4 in no list')
  t.equal(find('99:99', '/tmp/p'), '/tmp', 'a device in no list: the longest mount point')
  t.equal(find('99:99', '/tmpx/p'), undefined)
  const bind = mounts.filter(({ mountPoint }) => mountPoint !== '/home')
  t.equal(findMount(bind, '254:16', '/mnt/f')?.root, '/lost+found', 'only the bind mount is left')
  const over = [...mounts, ...parseMountinfo('900 28 0:99 / /home rw - tmpfs none rw\n')]
  t.equal(findMount(over, '0:99', '/home/x')?.fileSystem, 'tmpfs')
  t.not(findMount(over, '254:16', '/mnt/f')?.mountPoint, '/home', 'one that another covers is not there')
})
