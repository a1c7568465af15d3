import t from 'tap'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

const a = parseCgroupPath('a')

void t.test('createFakeCgroupfs() rounds and refuses values as the kernel does', async (t) => {
  const { cgroupfs, place, put, end } = createFakeCgroupfs({ controllers: ['memory', 'cpu', 'io'] })
  place('a', 5)
  t.equal(cgroupfs.read(a, 'memory.max'), undefined)
  await t.rejects(cgroupfs.write(a, 'memory.max', '1'), { code: 'CGROUP_REFUSED', facts: { errno: 'ENOENT' } })
  await cgroupfs.write(rootPath, 'cgroup.subtree_control', '+memory +cpu +io')
  await cgroupfs.write(a, 'memory.max', '10000')
  t.equal(cgroupfs.read(a, 'memory.max'), '8192\n')
  for (const [file, value] of [
    ['memory.max', '-1'],
    ['cpu.max', '1 2'],
    ['io.max', '8:0 rbps=0'],
    ['io.weight', '5'],
  ] as const) {
    await t.rejects(cgroupfs.write(a, file, value), { code: 'CGROUP_REFUSED', facts: { errno: 'EINVAL' } }, file)
  }
  await cgroupfs.write(a, 'io.max', '8:0 rbps=5')
  await cgroupfs.write(a, 'io.max', '8:0 wiops=6')
  t.equal(cgroupfs.read(a, 'io.max'), '8:0 rbps=5 wbps=max riops=max wiops=6\n')
  await t.rejects(cgroupfs.write(rootPath, 'cgroup.subtree_control', '+rdma'), { code: 'CGROUP_REFUSED' })
  t.throws(() => cgroupfs.remove(a), { code: 'CGROUP_BUSY' })
  t.throws(() => cgroupfs.make(parseCgroupPath('x/y')), { code: 'CGROUP_REFUSED' })
  let woken = 0
  const stop = cgroupfs.watch(a, 'cgroup.events', () => (woken += 1))
  end(5)
  t.equal(woken, 1)
  stop?.()
  put('a', 'cgroup.events', '')
  t.equal(woken, 1)
  t.equal(cgroupfs.remove(a), true)
})
