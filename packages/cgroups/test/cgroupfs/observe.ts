import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { readGroups } from '../../src/cgroupfs/observe.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

void t.test(
  'readGroups() reads groups, the limits of the spec, and the controllers that ancestors enable',
  async (t) => {
    const { cgroupfs, place } = createFakeCgroupfs()
    place('a/b', 1)
    await cgroupfs.write(rootPath, 'cgroup.subtree_control', '+pids +memory')
    await cgroupfs.write(parseCgroupPath('a'), 'cgroup.subtree_control', '+pids')
    const spec = [{ path: 'a/b', limits: { pids: { max: 5 } } }, { path: 'a' }, { path: 'c/d' }, { path: '/x' }]
    const { groups, devices } = await readGroups(createFakeHost(), cgroupfs, spec)
    t.equal(devices, undefined)
    t.strictSame(
      new Set(groups),
      new Set([
        { path: 'a/b', limits: { pids: { max: 'max' } }, enabled: [] },
        { path: rootPath, limits: {}, enabled: ['memory', 'pids'] },
        { path: 'a', limits: {}, enabled: ['pids'] },
      ]),
    )
  },
)

void t.test('readGroups() reads the disks when the spec names devices', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  place('a', 1)
  await cgroupfs.write(rootPath, 'cgroup.subtree_control', '+io')
  await cgroupfs.write(parseCgroupPath('a'), 'io.max', '8:0 rbps=5')
  const files = { '/sys/block/sda/dev': '8:0\n', '/proc/self/mountinfo': '1 0 8:0 / / rw - ext4 /dev/sda rw\n' }
  const limits = { io: { max: [{ device: '/home', rbps: 1 }] } }
  const { groups, devices } = await readGroups(createFakeHost({ files }), cgroupfs, [{ path: 'a', limits }])
  t.strictSame(
    devices?.disks.map(({ number }) => number),
    ['8:0'],
  )
  const max = [{ device: '8:0', rbps: 5, wbps: 'max', riops: 'max', wiops: 'max' }]
  t.strictSame(groups[0]?.limits, { io: { max } })
})
