import t from 'tap'
import { shrinkMemory } from '../../src/cgroupfs/shrink-memory.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

const path = parseCgroupPath('a')
async function group(used: number, pinned: number) {
  const fake = createFakeCgroupfs()
  await fake.cgroupfs.write(rootPath, 'cgroup.subtree_control', '+memory')
  fake.place('a', 1)
  fake.use('a', used, pinned)
  return fake.cgroupfs
}

void t.test('shrinkMemory() does nothing when the usage fits', async (t) => {
  const cgroupfs = await group(8192, 0)
  await shrinkMemory(cgroupfs, path, 8192)
  t.equal(cgroupfs.read(path, 'memory.high'), 'max\n')
})

void t.test('shrinkMemory() lowers memory.high and reclaims', async (t) => {
  const cgroupfs = await group(81_920, 4096)
  await shrinkMemory(cgroupfs, path, 8192)
  t.equal(cgroupfs.read(path, 'memory.high'), '8192\n')
  t.ok(Number(cgroupfs.read(path, 'memory.current')) <= 8192)
})

void t.test('shrinkMemory() fails when too much cannot be reclaimed, and restores memory.high', async (t) => {
  const cgroupfs = await group(81_920, 40_960)
  const refused = { code: 'CGROUP_REFUSED', facts: { target: '/a', value: '8192' }, message: /40960 bytes are in use/ }
  await t.rejects(shrinkMemory(cgroupfs, path, 8192, { reclaimTimeout: 200 }), refused)
  t.equal(cgroupfs.read(path, 'memory.high'), 'max\n')
  await t.rejects(shrinkMemory(cgroupfs, path, 8192, { shrink: 'refuse' }), { code: 'CGROUP_REFUSED' })
  await t.rejects(shrinkMemory(cgroupfs, path, 8192, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  t.equal(cgroupfs.read(path, 'memory.high'), 'max\n')
  await shrinkMemory(cgroupfs, path, 8192, { shrink: 'kill' })
  t.equal(cgroupfs.read(path, 'memory.high'), 'max\n', 'kill does not reclaim')
})
