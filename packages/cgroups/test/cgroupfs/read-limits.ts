import t from 'tap'
import { readLimits } from '../../src/cgroupfs/read-limits.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

void t.test('readLimits() reads all limits of a group, or only those of like', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  const path = parseCgroupPath('a')
  place('a', 1)
  t.strictSame(readLimits(cgroupfs, path), {})
  await cgroupfs.write(rootPath, 'cgroup.subtree_control', '+pids +cpu')
  await cgroupfs.write(path, 'pids.max', '5')
  t.strictSame(readLimits(cgroupfs, path), {
    cpu: { idle: false, weight: 100, max: 'max', burst: 0 },
    pids: { max: 5 },
  })
  t.strictSame(readLimits(cgroupfs, path, { pids: { max: 'max' }, memory: { max: 1 } }), { pids: { max: 5 } })
  t.strictSame(readLimits(cgroupfs, parseCgroupPath('gone')), {})
})
