import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { applyChangeSet } from '../src/apply.ts'
import { openQuota } from '../src/index.ts'
import { emptyReading } from '../src/report.ts'
import { volumeFinder } from '../src/volume.ts'
import { mount, openFake } from './support/open.ts'

const MiB = 1024 * 1024
const spec = [5, 6, 7].map((id) => ({ id, bytes: { hard: MiB } }))
const limited = (id: number) => ({ ...emptyReading(id), bytes: { used: 0, soft: 'none', hard: MiB, status: 'ok' } })
const hards = async ({ quota }: ReturnType<typeof openFake>) =>
  (await quota.report([5, 6, 7])).map(({ bytes }) => bytes.hard)

void t.test('applyChangeSet() sets in one process and reads back in another', async (t) => {
  const { quota, ran } = openFake()
  const changeSet = quota.plan(spec, await quota.read(spec))
  const before = ran().length
  t.strictSame(await quota.apply(changeSet), {
    changed: true,
    changes: changeSet.changes,
    results: [5, 6, 7].map((id) => ({ target: `user ${id}`, id, changed: true, reading: limited(id) })),
  })
  t.strictSame(ran().slice(before), ['setquota', 'repquota'])
})

void t.test(
  'applyChangeSet() reports what setquota printed about the refused id, and sets the limits of the other ids',
  async (t) => {
    const some = openFake({ refused: [6] })
    const { results, changed } = await some.quota.ensure(spec)
    t.equal(changed, true)
    t.match(results[1], {
      id: 6,
      changed: false,
      error: { code: 'QUOTA_REFUSED', facts: { said: /Numerical result/ } },
    })
    t.strictSame(await hards(some), [MiB, 'none', MiB])
  },
)

void t.test('applyChangeSet() with atomic restores the limits that it set when one item is refused', async (t) => {
  const some = openFake({ refused: [6] })
  some.fake.meddle('user', 5, [0, 3, 0, 0])
  const { results, changed } = await some.quota.ensure(spec, { atomic: true })
  t.equal(changed, false)
  t.strictSame(
    results.map(({ id, changed: one, error }) => [id, one, error?.code]),
    [5, 6, 7].map((id) => [id, false, 'QUOTA_REFUSED']),
  )
  t.strictSame(await hards(some), [3072, 'none', 'none'])
})

void t.test('applyChangeSet() returns QUOTA_MISMATCH when other limits are read back', async (t) => {
  const { host, quota } = openFake()
  const changeSet = quota.plan(spec.slice(0, 1), await quota.read(spec))
  const [change] = changeSet.changes
  if (change === undefined) throw new Error('no change')
  // As on a file system that rounds in another way.
  const odd = { ...change, to: { ...change.to, bytes: { soft: 'none' as const, hard: 1500 } } }
  const { results } = await applyChangeSet(host, volumeFinder(host, '/home'), { ...changeSet, changes: [odd] }, {})
  t.strictSame(
    results.map(({ id, changed, error }) => [id, changed, error?.code]),
    [[5, true, 'QUOTA_MISMATCH']],
  )
})

void t.test('applyChangeSet() without changes runs nothing', async (t) => {
  const { quota, ran } = openFake()
  t.strictSame(await quota.apply({ kind: 'user', mount, changes: [], refused: [], unchanged: [5] }), {
    changed: false,
    changes: [],
    results: [{ target: 'user 5', id: 5, changed: false }],
  })
  t.strictSame(ran(), [])
})

void t.test('applyChangeSet() reports why setquota stopped for each id that it did not set', async (t) => {
  const { quota, fake } = openFake()
  const changeSet = quota.plan(spec, await quota.read(spec))
  const stderr = 'setquota: Cannot get quota for user 6 from kernel on /dev/loop0: No space left on device\n'
  const host = createFakeHost({
    files: fake.files,
    programs: {
      ...fake.programs,
      '/usr/sbin/setquota': () => {
        fake.meddle('user', 5, [0, 1024, 0, 0])
        return { exitCode: 1, stderr }
      },
    },
  })
  const { results } = await openQuota(host, '/home').apply(changeSet)
  t.matchOnlyStrict(
    results.map(({ id, changed, error }) => [id, changed, error?.code, error?.facts.said]),
    [
      [5, true, undefined, undefined],
      [6, false, 'QUOTA_REFUSED', /No space left/],
      [7, false, 'QUOTA_REFUSED', /user 6 .* No space left/],
    ],
  )
})

void t.test('applyChangeSet() refuses a change set that was planned for another file system', async (t) => {
  const { quota, ran } = openFake()
  const changeSet = quota.plan(spec, await quota.read(spec))
  const other = { ...changeSet, mount: { ...mount, device: '253:32', source: '/dev/other' } }
  await t.rejects(quota.apply(other), {
    code: 'QUOTA_MOVED',
    message: /was on \/dev\/other \(mounted on \/home\) and is now on \/dev\/fake/,
  })
  t.notOk(ran().includes('setquota'))
})
