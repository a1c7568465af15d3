import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { applyLimits as applyPlanned, planLimits } from '../../src/cgroupfs/apply-limits.ts'
import type { Cgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { readLimits } from '../../src/cgroupfs/read-limits.ts'
import type { ShrinkOptions } from '../../src/cgroupfs/shrink-memory.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import type { Limits } from '../../src/limits/limits.ts'
import { parseCgroupPath, rootPath } from '../../src/path.ts'

const path = parseCgroupPath('a')

/** Reads, plans and applies. @returns the names of the limits that were set */
async function applyLimits(cgroupfs: Cgroupfs, group: typeof path, limits: Limits, options?: ShrinkOptions) {
  const writes = planLimits(limits, readLimits(cgroupfs, group, limits))
  await applyPlanned(cgroupfs, group, { limits, writes }, options)
  return writes.map(({ name }) => name)
}

async function group() {
  const fake = createFakeCgroupfs()
  await fake.cgroupfs.write(rootPath, 'cgroup.subtree_control', '+memory +cpu +io +pids')
  fake.place('a', 1)
  return fake
}

void t.test('applyLimits() writes only limits that differ', async (t) => {
  const { cgroupfs } = await group()
  const limits = {
    cpu: { max: 0.5 },
    memory: { high: 50_000, max: 100_000 },
    pids: { max: 9 },
    io: { max: [{ device: '8:0', rbps: 7 }] },
  }
  t.strictSame(await applyLimits(cgroupfs, path, limits), [
    'cpu.max',
    'memory.high',
    'memory.max',
    'pids.max',
    'io.max 8:0 rbps',
  ])
  t.strictSame(await applyLimits(cgroupfs, path, limits), [])
  matchWhole(t, readLimits(cgroupfs, path), {
    cpu: { max: 0.5 },
    memory: { max: 98_304 },
    io: { max: [{ device: '8:0', rbps: 7, wbps: 'max' }] },
  })
  t.strictSame(
    await applyLimits(cgroupfs, path, { memory: { high: 150_000, max: 200_000 } }),
    ['memory.max', 'memory.high'],
    'memory.max is first when it grows',
  )
})

void t.test('applyLimits() applies all limits or none', async (t) => {
  const { cgroupfs } = await group()
  await applyLimits(cgroupfs, path, { pids: { max: 9 }, io: { max: [{ device: '8:0', rbps: 7 }] } })
  const before = readLimits(cgroupfs, path)
  const wrong = {
    cpu: { weight: 5 },
    pids: { max: 7 },
    io: { max: [{ device: '8:0', rbps: 8 }] },
    hugetlb: { '2MB': 0 },
  }
  await t.rejects(applyLimits(cgroupfs, path, wrong), {
    code: 'CGROUP_REFUSED',
    facts: { operation: /hugetlb/, errno: 'ENOENT' },
  })
  t.strictSame(readLimits(cgroupfs, path), before)
  await t.rejects(applyLimits(cgroupfs, parseCgroupPath('gone'), { pids: { max: 7 } }), { code: 'CGROUP_GONE' })
})

void t.test('applyLimits() reads back the limits, and restores all when the kernel kept another value', async (t) => {
  const { cgroupfs } = await group()
  await applyLimits(cgroupfs, path, { cpu: { weight: 5 }, pids: { max: 9 } })
  const before = readLimits(cgroupfs, path)
  const keepsPids: Cgroupfs = {
    ...cgroupfs,
    write: async (one, file, value) => {
      if (file !== 'pids.max') await cgroupfs.write(one, file, value)
    },
  }
  await t.rejects(applyLimits(keepsPids, path, { cpu: { weight: 7 }, pids: { max: 6 } }), {
    code: 'CGROUP_REFUSED',
    facts: { target: '/a', detail: 'pids.max is 9 and should be 6; all limits were restored' },
  })
  t.strictSame(readLimits(cgroupfs, path), before)
})

void t.test('applyLimits() lowers memory.max without killing a process, or fails', async (t) => {
  const { cgroupfs, use } = await group()
  use('a', 400_000, 100_000)
  await applyLimits(cgroupfs, path, { memory: { max: 200_000 }, pids: { max: 5 } }, { reclaimTimeout: 20 })
  t.match(readLimits(cgroupfs, path).memory, { max: 196_608, high: 'max' }, 'memory.high is restored')
  await t.rejects(applyLimits(cgroupfs, path, { memory: { max: 50_000 }, pids: { max: 6 } }, { reclaimTimeout: 20 }), {
    code: 'CGROUP_REFUSED',
  })
  t.match(readLimits(cgroupfs, path), { memory: { max: 196_608, high: 'max' }, pids: { max: 5 } })
  t.equal(cgroupfs.read(path, 'cgroup.procs'), '1\n')
})
