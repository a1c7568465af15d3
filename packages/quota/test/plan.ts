import fc from 'fast-check'
import t from 'tap'
import type { Limit } from '../src/limits.ts'
import { planOverwrite, planQuota } from '../src/plan.ts'
import { emptyReading, type QuotaReading } from '../src/report.ts'
import { place } from './support/open.ts'

const MiB = 1024 * 1024
const none = { soft: 'none', hard: 'none' }

const reading = (id: number, used: number, soft: Limit, hard: Limit): QuotaReading => ({
  ...emptyReading(id),
  bytes: { used, soft, hard, status: 'ok' },
})
const seen = (...readings: readonly QuotaReading[]) => ({ ...place, readings })

void t.test('planQuota() keeps absent limits and removes limits that are none', async (t) => {
  const observed = seen(reading(5, 0, MiB, 2 * MiB))
  t.strictSame(planQuota([{ id: 5, bytes: { soft: 'none' } }], observed).changes, [
    {
      facility: 'quota',
      target: 'user 5',
      action: 'set',
      before: 'bytes soft 1048576 hard 2097152, inodes soft none hard none',
      after: 'bytes soft none hard 2097152, inodes soft none hard none',
      command: 'setquota -u 5 0 2048 0 0 /home',
      id: 5,
      from: { bytes: { soft: MiB, hard: 2 * MiB }, inodes: none },
      to: { bytes: { soft: 'none', hard: 2 * MiB }, inodes: none },
    },
  ])
  t.strictSame(planQuota([{ id: 5 }, { id: 6 }], observed).unchanged, [5, 6])
  t.strictSame(planQuota([{ id: 5, bytes: { hard: 2 * MiB - 1 } }], observed).unchanged, [5], 'rounded')
})

void t.test('planQuota() refuses invalid items and plans the others', async (t) => {
  const spec = [
    { id: 5, bytes: { soft: 3 * MiB } },
    { id: 6, bytes: { hard: 1.5 } },
    { id: 0, bytes: { hard: MiB } },
    { id: 7, bytes: { hard: MiB } },
    { id: 7, bytes: { hard: MiB } },
    { id: 8, bytes: { hard: MiB } },
  ]
  const plan = planQuota(spec, seen(reading(5, 0, MiB, 2 * MiB)))
  t.strictSame(
    plan.changes.map(({ id }) => id),
    [8],
  )
  t.strictSame(
    plan.refused.map(({ id, error }) => [id, error.code]),
    [5, 6, 0, 7, 7].map((id) => [id, 'QUOTA_INVALID']),
  )
})

void t.test('planQuota() refuses a hard limit below the usage, except with force', async (t) => {
  const observed = seen(reading(5, 10 * MiB, 'none', 'none'))
  const short = ({ changes, refused }: ReturnType<typeof planQuota>) => ({
    changes: changes.map(({ id, to: { bytes, inodes } }) => [id, bytes.hard, inodes.hard]),
    refused: refused.map(({ id, error }) => [id, error.code]),
  })
  const plan = (hard: Limit, force: boolean) => short(planQuota([{ id: 5, bytes: { hard }, force }], observed))
  t.strictSame(plan(9 * MiB, false), { changes: [], refused: [[5, 'QUOTA_BELOW_USAGE']] })
  t.strictSame(plan(9 * MiB, true), { changes: [[5, 9 * MiB, 'none']], refused: [] })
  t.strictSame(plan(10 * MiB, false), { changes: [[5, 10 * MiB, 'none']], refused: [] }, 'equal to the usage')
  const inodes = { used: 10, soft: 'none', hard: 'none', status: 'ok' } as const
  const many = planQuota([{ id: 5, inodes: { hard: 9 } }], seen({ ...emptyReading(5), inodes }))
  t.strictSame(short(many), { changes: [], refused: [[5, 'QUOTA_BELOW_USAGE']] }, 'inodes count too')
  const full = seen(reading(5, 10 * MiB, 'none', 9 * MiB))
  const more = short(planQuota([{ id: 5, inodes: { hard: 7 } }], full))
  t.strictSame(more, { changes: [[5, 9 * MiB, 7]], refused: [] }, 'a hard limit that is below already')
})

void t.test('planQuota() plans nothing after its change set was applied', async () => {
  const limit = fc.oneof(fc.constant('none' as const), fc.integer({ min: 1, max: 2 ** 52 }))
  const limits = fc.record({ soft: limit, hard: limit }, { requiredKeys: [] })
  const item = fc.record({ id: fc.integer({ min: 1, max: 30 }), bytes: limits, inodes: limits })
  fc.assert(
    fc.property(fc.array(item), (spec) => {
      const { changes, refused, unchanged } = planQuota(spec, seen())
      const after = changes.map(({ id, to: { bytes, inodes } }) => ({
        id,
        bytes: { used: 0, status: 'ok' as const, ...bytes },
        inodes: { used: 0, status: 'ok' as const, ...inodes },
      }))
      const again = planQuota(spec, seen(...after))
      return (
        changes.length + refused.length + unchanged.length === spec.length &&
        again.changes.length === 0 &&
        again.refused.length === refused.length
      )
    }),
  )
})

void t.test('planOverwrite() plans all four limits of each id, and refuses an item that lacks one', async (t) => {
  const both = { bytes: { soft: 'none', hard: MiB }, inodes: { soft: 10, hard: 20 } } as const
  const { changes, refused } = planOverwrite(
    [
      { id: 5, ...both },
      { id: 6, bytes: both.bytes },
    ],
    place,
  )
  t.strictSame(
    changes.map(({ id, from, before, to }) => [id, from, before, to]),
    [[5, undefined, undefined, both]],
  )
  t.strictSame(
    refused.map(({ target, error }) => [target, error.code]),
    [['user 6', 'QUOTA_INVALID']],
  )
})
