import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { applyPlan } from '../src/apply.ts'
import { openQuota } from '../src/index.ts'
import { emptyReading } from '../src/report.ts'
import { openFake } from './support/open.ts'

const MiB = 1024 * 1024
const wanted = [5, 6, 7].map((id) => ({ id, bytes: { hard: MiB } }))
const limited = (id: number) => ({ ...emptyReading(id), bytes: { used: 0, soft: 'none', hard: MiB, status: 'ok' } })
const hards = async ({ quota }: ReturnType<typeof openFake>) =>
  (await quota.read('user', [5, 6, 7])).map(({ bytes }) => bytes.hard)

void t.test('applyPlan() sets in one process and reads back in another', async (t) => {
  const { quota, ran } = openFake()
  const plan = await quota.plan('user', wanted)
  const before = ran().length
  t.strictSame(await quota.apply(plan), {
    changed: true,
    results: [5, 6, 7].map((id) => ({ id, changed: true, reading: limited(id) })),
  })
  t.strictSame(ran().slice(before), ['setquota', 'repquota'])
})

void t.test(
  'applyPlan() gives the id that the kernel refuses its own words, and the others their limits',
  async (t) => {
    const some = openFake({ refused: [6] })
    const { results, changed } = await some.quota.set('user', wanted)
    t.equal(changed, true)
    t.match(results[1], {
      id: 6,
      changed: false,
      error: { code: 'QUOTA_REFUSED', facts: { said: /Numerical result/ } },
    })
    t.strictSame(await hards(some), [MiB, 'none', MiB])
  },
)

void t.test('applyPlan() puts back what it set when all or nothing is asked for', async (t) => {
  const some = openFake({ refused: [6] })
  some.fake.meddle('user', 5, [0, 3, 0, 0])
  const { results, changed } = await some.quota.set('user', wanted, { atomic: true })
  t.equal(changed, false)
  t.strictSame(
    results.map(({ id, changed: one, error }) => [id, one, error?.code]),
    [5, 6, 7].map((id) => [id, false, 'QUOTA_REFUSED']),
  )
  t.strictSame(await hards(some), [3072, 'none', 'none'])
})

void t.test('applyPlan() says when something else is read back', async (t) => {
  const { host, quota } = openFake()
  const plan = await quota.plan('user', wanted.slice(0, 1))
  const [change] = plan.changes
  if (change === undefined) throw new Error('no change')
  // A file system that rounds otherwise than we know.
  const odd = { ...change, after: { ...change.after, bytes: { soft: 'none' as const, hard: 1500 } } }
  const volume = await import('../src/volume.ts').then(({ volumeFinder }) => volumeFinder(host, '/home')())
  const { results } = await applyPlan(host, volume, { ...plan, changes: [odd] }, {})
  t.strictSame(
    results.map(({ id, changed, error }) => [id, changed, error?.code]),
    [[5, true, 'QUOTA_MISMATCH']],
  )
})

void t.test('applyPlan() of nothing runs nothing', async (t) => {
  const { host, ran } = openFake()
  const plan = { kind: 'user', changes: [], refused: [], unchanged: [5] } as const
  t.strictSame(await applyPlan(host, undefined, plan, {}), { changed: false, results: [{ id: 5, changed: false }] })
  t.strictSame(ran(), [])
})

void t.test('applyPlan() of a batch that setquota gave up says so for those after it', async (t) => {
  const { quota, fake } = openFake()
  const plan = await quota.plan('user', wanted)
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
  const { results } = await openQuota(host, '/home').apply(plan)
  t.matchOnlyStrict(
    results.map(({ id, changed, error }) => [id, changed, error?.code, error?.facts.said]),
    [
      [5, true, undefined, undefined],
      [6, false, 'QUOTA_REFUSED', /No space left/],
      [7, false, 'QUOTA_REFUSED', /user 6 .* No space left/],
    ],
  )
})
