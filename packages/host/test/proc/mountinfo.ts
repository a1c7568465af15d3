import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { createHost } from '../../src/index.ts'
import { findMountOf, parseMountinfo, readMounts, renderDevice, uncoveredMounts } from '../../src/proc/index.ts'

const real = readFileSync(new URL('../fixtures/debian-13-6.12/mountinfo', import.meta.url), 'utf8')
const mounts = parseMountinfo(real)

void t.test('parseMountinfo() parses a captured file', async (t) => {
  t.equal(mounts.length, real.trimEnd().split('\n').length)
  t.strictSame(
    mounts.find(({ mountPoint }) => mountPoint === '/home'),
    {
      id: 46,
      parent: 28,
      device: '254:16',
      root: '/',
      mountPoint: '/home',
      mountOptions: ['rw', 'nosuid', 'nodev', 'relatime'],
      fileSystem: 'ext4',
      source: '/dev/vdb',
      options: ['rw', 'seclabel', 'quota', 'usrquota', 'grpquota', 'prjquota'],
    },
  )
  t.equal(mounts.find(({ mountPoint }) => mountPoint === '/sys/fs/cgroup')?.fileSystem, 'cgroup2')
})

void t.test('parseMountinfo() decodes escapes, and changes no other byte', async (t) => {
  const [mount] = parseMountinfo('1 2 0:5 /a\\012b /my\\040disk\\134040 rw - fuse.x\\040y /dev/a\\011b rw,quota\n')
  t.match(mount, { root: '/a\nb', mountPoint: '/my disk\\040', fileSystem: 'fuse.x y', source: '/dev/a\tb' })
  const hostile = '/home/p10000/x\r9 9 0:9 / /run/user/10001 rw - fuse.x y rw\u2028\v\uFFFD'
  const escaped = hostile.replaceAll(' ', String.raw`\040`)
  const parsed = parseMountinfo(`97 29 0:52 / ${escaped} rw,nosuid - fuse.sshfs  rw,user_id=10000\n`)
  t.strictSame(
    parsed.map(({ mountPoint, source, options }) => [mountPoint, source, options]),
    [[hostile, '', ['rw', 'user_id=10000']]],
    'the source may be empty',
  )
})

void t.test('parseMountinfo() accepts any number of tags', async (t) => {
  const tagged = (tags: string) => parseMountinfo(`1 2 0:5 / /x rw ${tags}- ext4 /dev/x rw\n`)
  for (const tags of ['', 'shared:1 ', 'shared:1 master:2 ', 'master:1 propagate_from:2 unbindable '])
    t.equal(tagged(tags)[0]?.source, '/dev/x', tags)
})

void t.test('parseMountinfo() ignores lines of another form', async (t) => {
  const line = '46 28 254:16 / /home rw shared:60 - ext4 /dev/vdb rw,quota'
  t.equal(parseMountinfo(`${line}\n`).length, 1)
  const others = [
    line,
    'nonsense\n',
    '1 2 3\n',
    `${line.replace(' - ', ' ')}\n`,
    `${line.replace('46', '46x')}\n`,
    `${line.replace('46', '99999999999')}\n`,
    `${line.replace('28', '-1')}\n`,
    `${line.replace('254:16', '254')}\n`,
    `${line.replace('/home', 'home')}\n`,
    `${line} more\n`,
    `${line.replace(' rw,quota', '')}\n`,
    `${line}\0`,
  ]
  for (const text of others) t.strictSame(parseMountinfo(text), [], JSON.stringify(text))
})

void t.test('parseMountinfo() of a truncated text returns the first mounts', async () => {
  fc.assert(
    fc.property(fc.nat(real.length), (end) => {
      const cut = parseMountinfo(real.slice(0, end))
      return JSON.stringify(cut) === JSON.stringify(mounts.slice(0, cut.length))
    }),
  )
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => Array.isArray(parseMountinfo(text))))
})

void t.test('readMounts() reads the mounts of this process', async (t) => {
  const ours = await readMounts(createHost())
  t.ok(ours.some(({ mountPoint, fileSystem }) => mountPoint === '/proc' && fileSystem === 'proc'))
  t.equal(ours.length, readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n').length, 'all of them')
  t.strictSame(await readMounts(createHost({ root: t.testdir() })), [])
})

void t.test('findMountOf() returns the mount with the longest mount point that is not covered', async (t) => {
  const find = (path: string) => findMountOf(mounts, path)?.mountPoint
  t.equal(find('/home/p10000'), '/home')
  t.equal(find('/home'), '/home')
  t.equal(find('/homes'), '/')
  t.equal(find('/proc/sys/fs/binfmt_misc/x'), '/proc/sys/fs/binfmt_misc')
  t.equal(findMountOf([], '/home'), undefined)
  const covered = [...mounts, ...parseMountinfo('900 28 0:99 / /home rw - tmpfs none rw\n')]
  t.equal(findMountOf(covered, '/home/p10000')?.fileSystem, 'tmpfs')
  t.strictSame(
    uncoveredMounts(covered)
      .filter(({ mountPoint }) => mountPoint === '/home')
      .map(({ id }) => id),
    [900],
  )
})

void t.test('renderDevice() splits the device number of stat(2)', async (t) => {
  t.equal(renderDevice(65_040n), '254:16')
  t.equal(renderDevice(1793n), '7:1')
  t.equal(renderDevice(0x1234_5678n), '1110:74616')
  t.equal(renderDevice((1n << 63n) | 1n), '2147483648:1')
})
