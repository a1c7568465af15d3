import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { openCgroups } from '../../src/cgroupfs/cgroups.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'

function tree() {
  const fake = createFakeCgroupfs()
  return { ...fake, cgroups: openCgroups(createFakeHost(), { cgroupfs: fake.cgroupfs }) }
}

void t.test('apply() refuses a group that changed after it was observed, and ensure() plans again', async (t) => {
  const { cgroups, cgroupfs } = tree()
  const spec = [{ path: 'a', limits: { pids: { max: 5 } } }]
  await cgroups.create('a', { pids: { max: 9 } })
  const changeSet = cgroups.plan(spec, await cgroups.read(spec))
  await cgroups.limit('a', { pids: { max: 7 } })
  const applied = await cgroups.apply(changeSet)
  matchWhole(t, applied.results, [{ target: 'a', changed: false, error: { code: 'CGROUP_CONFLICT' } }])
  t.equal(cgroups.limits('a').pids?.max, 7)
  let meddled = 0
  const racing = openCgroups(createFakeHost(), {
    cgroupfs: {
      ...cgroupfs,
      read: (path, file) => {
        const text = cgroupfs.read(path, file)
        // Another program changes the limit right after it was observed, once.
        if (file === 'pids.max' && meddled++ === 0) void cgroupfs.write(path, file, '8')
        return text
      },
    },
  })
  const ensured = await racing.ensure(spec)
  matchWhole(t, ensured.results, [{ changed: true, error: undefined }])
  t.strictSame(
    ensured.changes.map(({ before }) => before),
    ['pids.max=7', 'pids.max=8'],
  )
  t.equal(cgroups.limits('a').pids?.max, 5)
})
