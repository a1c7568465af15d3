import fc from 'fast-check'
import t from 'tap'
import { deviceOf, findMount, parseMountinfo } from '../src/mount.ts'
import { fixture } from './support/fixture.ts'

const mounts = parseMountinfo(fixture('mountinfo'))
const find = (device: string, path: string) => findMount(mounts, device, path)?.mountPoint

void t.test('parseMountinfo() reads a real one', async (t) => {
  t.equal(mounts.length, fixture('mountinfo').trimEnd().split('\n').length)
  t.match(
    mounts.find(({ mountPoint }) => mountPoint === '/home'),
    { id: 46, device: '254:16', root: '/', fileSystem: 'ext4', source: '/dev/vdb' },
  )
})

void t.test('parseMountinfo() knows escaped blanks, and leaves out what is none', async (t) => {
  const [mount] = parseMountinfo('1 2 0:5 / /my\\040disk\\134 rw - ext4 /dev/a\\011b rw,quota\nnonsense\n1 2 3\n')
  t.strictSame(mount, {
    id: 1,
    device: '0:5',
    root: '/',
    mountPoint: '/my disk\\',
    fileSystem: 'ext4',
    source: '/dev/a\tb',
    options: ['rw', 'quota'],
  })
})

void t.test('parseMountinfo() never throws', async () => {
  fc.assert(fc.property(fc.string(), (text) => void parseMountinfo(text)))
  const real = fixture('mountinfo')
  fc.assert(fc.property(fc.nat(real.length), (end) => parseMountinfo(real.slice(0, end)).length <= mounts.length))
})

void t.test('deviceOf() splits what stat(2) gives', async (t) => {
  t.equal(deviceOf(65_040n), '254:16')
  t.equal(deviceOf(1793n), '7:1')
  t.equal(deviceOf(0x1234_5678n), '1110:74616')
})

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
