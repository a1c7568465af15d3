import fc from 'fast-check'
import t from 'tap'
import type { Limit } from '../src/limits.ts'
import { limitsOf, planLimits, sameLimits } from '../src/plan.ts'
import { emptyReading, type QuotaReading } from '../src/report.ts'

const bounds = { blockSize: 4096, maxBytes: Number.MAX_SAFE_INTEGER, maxInodes: Number.MAX_SAFE_INTEGER }
const facts = { kind: 'user', bounds } as const
const MiB = 1024 * 1024
const none = { soft: 'none', hard: 'none' }

const reading = (id: number, used: number, soft: Limit, hard: Limit): QuotaReading => ({
  ...emptyReading(id),
  bytes: { used, soft, hard, status: 'ok' },
})

void t.test('planLimits() keeps what is absent and lifts what is none', async (t) => {
  const observed = [reading(5, 0, MiB, 2 * MiB)]
  t.strictSame(planLimits([{ id: 5, bytes: { soft: 'none' } }], observed, facts).changes, [
    {
      facility: 'quota',
      target: 'user 5',
      action: 'set',
      id: 5,
      before: { bytes: { soft: MiB, hard: 2 * MiB }, inodes: none },
      after: { bytes: { soft: 'none', hard: 2 * MiB }, inodes: none },
    },
  ])
  t.strictSame(planLimits([{ id: 5 }, { id: 6 }], observed, facts).unchanged, [5, 6])
  t.strictSame(planLimits([{ id: 5, bytes: { hard: 2 * MiB - 1 } }], observed, facts).unchanged, [5], 'rounded')
})

void t.test('planLimits() refuses an item and goes on with the others', async (t) => {
  const wanted = [
    { id: 5, bytes: { soft: 3 * MiB } },
    { id: 6, bytes: { hard: 1.5 } },
    { id: 0, bytes: { hard: MiB } },
    { id: 7, bytes: { hard: MiB } },
    { id: 7, bytes: { hard: MiB } },
    { id: 8, bytes: { hard: MiB } },
  ]
  const plan = planLimits(wanted, [reading(5, 0, MiB, 2 * MiB)], facts)
  t.strictSame(
    plan.changes.map(({ id }) => id),
    [8],
  )
  t.strictSame(
    plan.refused.map(({ id, error }) => [id, error.code]),
    [5, 6, 0, 7, 7].map((id) => [id, 'QUOTA_INVALID']),
  )
})

void t.test('planLimits() refuses a hard limit below what is used, unless forced', async (t) => {
  const observed = [reading(5, 10 * MiB, 'none', 'none')]
  const short = ({ changes, refused }: ReturnType<typeof planLimits>) => ({
    changes: changes.map(({ id, after: { bytes, inodes } }) => [id, bytes.hard, inodes.hard]),
    refused: refused.map(({ id, error }) => [id, error.code]),
  })
  const plan = (hard: Limit, force: boolean) =>
    short(planLimits([{ id: 5, bytes: { hard } }], observed, { ...facts, force }))
  t.strictSame(plan(9 * MiB, false), { changes: [], refused: [[5, 'QUOTA_BELOW_USAGE']] })
  t.strictSame(plan(9 * MiB, true), { changes: [[5, 9 * MiB, 'none']], refused: [] })
  t.strictSame(plan(10 * MiB, false), { changes: [[5, 10 * MiB, 'none']], refused: [] }, 'just what is used')
  const full = [reading(5, 10 * MiB, 'none', 9 * MiB)]
  const more = short(planLimits([{ id: 5, inodes: { hard: 7 } }], full, facts))
  t.strictSame(more, { changes: [[5, 9 * MiB, 7]], refused: [] }, 'one that is below already')
})

void t.test('planLimits() of what a plan made is empty', async () => {
  const limit = fc.oneof(fc.constant('none' as const), fc.integer({ min: 1, max: 2 ** 52 }))
  const limits = fc.record({ soft: limit, hard: limit }, { requiredKeys: [] })
  const item = fc.record({ id: fc.integer({ min: 1, max: 30 }), bytes: limits, inodes: limits })
  fc.assert(
    fc.property(fc.array(item), (wanted) => {
      const { changes, refused, unchanged } = planLimits(wanted, [], facts)
      const after = changes.map(({ id, after: { bytes, inodes } }) => ({
        id,
        bytes: { used: 0, status: 'ok' as const, ...bytes },
        inodes: { used: 0, status: 'ok' as const, ...inodes },
      }))
      const again = planLimits(wanted, after, facts)
      return (
        changes.length + refused.length + unchanged.length === wanted.length &&
        again.changes.length === 0 &&
        again.refused.length === refused.length
      )
    }),
  )
})

void t.test('limitsOf() and sameLimits()', async (t) => {
  const one = limitsOf(reading(5, 7, 'none', 8))
  t.strictSame(one, { bytes: { soft: 'none', hard: 8 }, inodes: { soft: 'none', hard: 'none' } })
  t.ok(sameLimits(one, limitsOf(reading(6, 9, 'none', 8))))
  t.notOk(sameLimits(one, limitsOf(emptyReading(5))))
})
