import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { openCgroups } from '../../src/cgroupfs/cgroups.ts'
import { CgroupError } from '../../src/errors.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { parseCgroupPath, type CgroupPath } from '../../src/path.ts'

function tree() {
  const fake = createFakeCgroupfs()
  return { ...fake, cgroups: openCgroups(createFakeHost(), { cgroupfs: fake.cgroupfs }) }
}

void t.test('planGroups() returns the changes of apply(), each group and controller once', async (t) => {
  const { cgroups } = tree()
  await cgroups.create('a', { pids: { max: 9 } })
  const spec = [
    { path: 'a', limits: { pids: { max: 5 } } },
    { path: 'b/c', limits: { memory: { max: 8192 } } },
    { path: 'b/d', limits: { memory: { max: 'max' as const } } },
    { path: 'a' },
    { path: '/x' },
    { path: '' },
    { path: 'e', limits: { pids: { max: 0 } } },
  ]
  const { changes, refused } = cgroups.plan(spec, await cgroups.read(spec))
  t.strictSame(
    changes.map(({ target, action, before = '', after = '' }) => `${action} ${target} ${before} ${after}`.trim()),
    [
      'enable /  memory',
      'add b',
      'enable b  memory',
      'add b/c',
      'set b/c  memory.max=8192',
      'add b/d',
      'set b/d  memory.max=max',
    ],
    'a is in the spec twice and is refused',
  )
  t.strictSame(
    refused.map(({ target, error }) => [target, error.code]),
    ['a', '/x', '', 'e'].map((path) => [path, 'CGROUP_INVALID']),
  )
})

void t.test('planGroups() limits the swap of a new group, whose files do not exist yet', async (t) => {
  const { cgroups, cgroupfs } = tree()
  const spec = [{ path: 'a', limits: { memory: { swapMax: 0 } } }]
  const { changes } = await cgroups.ensure(spec)
  t.strictSame(changes.at(-1)?.after, 'memory.swap.max=0')
  t.equal(cgroupfs.read(parseCgroupPath('a'), 'memory.swap.max')?.trim(), '0')
  t.strictSame((await cgroups.ensure(spec)).changes, [])
})

void t.test('planGroups() does not limit swap on a kernel without swap', async (t) => {
  const { cgroupfs } = tree()
  const withoutSwap = {
    ...cgroupfs,
    read: (path: CgroupPath, file: string) => (file === 'memory.swap.max' ? undefined : cgroupfs.read(path, file)),
    write: async (path: CgroupPath, file: string, value: string) => {
      t.not(file, 'memory.swap.max', 'the kernel does not have this file')
      return cgroupfs.write(path, file, value)
    },
  }
  const other = openCgroups(createFakeHost(), { cgroupfs: withoutSwap })
  const spec = [{ path: 'a', limits: { memory: { max: 8192, swapMax: 0 } } }]
  t.match((await other.ensure(spec)).results[0], { target: 'a', changed: true, error: undefined })
  t.strictSame((await other.ensure(spec)).changes, [])
})

void t.test('limit() refuses a swap limit in a group without the memory controller', async (t) => {
  const { cgroups } = tree()
  await cgroups.create('a', { pids: { max: 5 } })
  await t.rejects(cgroups.limit('a', { memory: { swapMax: 0 } }), CgroupError)
})
