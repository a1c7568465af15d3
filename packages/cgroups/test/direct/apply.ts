import t from 'tap'
import { applyLimits, readLimits } from '../../src/direct/apply.ts'
import { createFakeKernel } from '../../src/fake/kernel.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

const path = parseCgroupPath('a')
async function group() {
  const fake = createFakeKernel()
  await fake.kernel.write(rootPath, 'cgroup.subtree_control', '+memory +cpu +io +pids')
  fake.place('a', 1)
  return fake
}

void t.test('applyLimits() writes what differs and nothing else', async (t) => {
  const { kernel } = await group()
  const limits = {
    cpu: { max: 0.5 },
    memory: { high: 50_000, max: 100_000 },
    pids: { max: 9 },
    io: { max: [{ device: '8:0', rbps: 7 }] },
  }
  t.strictSame(await applyLimits(kernel, path, limits), [
    'cpu.max',
    'memory.high',
    'memory.max',
    'pids.max',
    'io.max 8:0 rbps',
  ])
  t.strictSame(await applyLimits(kernel, path, limits), [])
  const { cpu, memory, pids, io } = readLimits(kernel, path)
  t.match({ cpu, memory, pids }, { cpu: { max: 0.5 }, memory: { high: 49_152, max: 98_304 }, pids: { max: 9 } })
  t.strictSame(io?.max, [{ device: '8:0', rbps: 7, wbps: 'max', riops: 'max', wiops: 'max' }])
  t.strictSame(
    await applyLimits(kernel, path, { memory: { high: 150_000, max: 200_000 } }),
    ['memory.max', 'memory.high'],
    'growing, max comes first',
  )
})

void t.test('applyLimits() applies all or none', async (t) => {
  const { kernel } = await group()
  await applyLimits(kernel, path, { pids: { max: 9 }, io: { max: [{ device: '8:0', rbps: 7 }] } })
  const before = readLimits(kernel, path)
  const wrong = {
    cpu: { weight: 5 },
    pids: { max: 7 },
    io: { max: [{ device: '8:0', rbps: 8 }] },
    hugetlb: { '2MB': 0 },
  }
  await t.rejects(applyLimits(kernel, path, wrong), {
    code: 'CGROUP_REFUSED',
    facts: { operation: /hugetlb/, errno: 'ENOENT' },
  })
  t.strictSame(readLimits(kernel, path), before)
  await t.rejects(applyLimits(kernel, parseCgroupPath('gone'), { pids: { max: 7 } }), { code: 'CGROUP_GONE' })
})

void t.test('applyLimits() shrinks without a kill, or not at all', async (t) => {
  const { kernel, use } = await group()
  use('a', 400_000, 100_000)
  await applyLimits(kernel, path, { memory: { max: 200_000 }, pids: { max: 5 } }, { timeout: 20 })
  t.match(readLimits(kernel, path).memory, { max: 196_608, high: 'max' }, 'memory.high is nobody’s wish')
  await t.rejects(applyLimits(kernel, path, { memory: { max: 50_000 }, pids: { max: 6 } }, { timeout: 20 }), {
    code: 'CGROUP_REFUSED',
  })
  t.match(readLimits(kernel, path), { memory: { max: 196_608, high: 'max' }, pids: { max: 5 } })
  t.equal(kernel.read(path, 'cgroup.procs'), '1\n')
})
