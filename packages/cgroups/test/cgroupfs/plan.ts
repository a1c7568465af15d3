import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { openCgroups } from '../../src/cgroupfs/cgroups.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'

function tree() {
  const fake = createFakeCgroupfs()
  return { ...fake, cgroups: openCgroups(createFakeHost(), { cgroupfs: fake.cgroupfs }) }
}

void t.test('planGroups() shows what apply() does, each group and controller once', async (t) => {
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
    'a is given twice and refused',
  )
  t.strictSame(
    refused.map(({ target, error }) => [target, error.code]),
    ['a', '/x', '', 'e'].map((path) => [path, 'CGROUP_INVALID']),
  )
})
