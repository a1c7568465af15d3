import t from 'tap'
import { looked, ready, updateConditions, type Condition, type Verdict } from '../src/conditions.ts'

const then = '2026-01-01T00:00:00.000Z'
const now = new Date('2026-02-02T00:00:00.000Z')
const good: Verdict = { type: 'accounts', status: 'true', reason: 'applied' }
const before: readonly Condition[] = [{ ...good, at: then }]

const rows: readonly (readonly [title: string, verdicts: readonly Verdict[], expected: readonly Condition[]])[] = [
  ['keeps the time when nothing changed', [good], before],
  [
    'keeps the time when only the message changed',
    [{ ...good, message: 'in 2 ms' }],
    [{ ...good, message: 'in 2 ms', at: then }],
  ],
  [
    'moves the time when the status changed',
    [{ ...good, status: 'false' }],
    [{ ...good, status: 'false', at: now.toISOString() }],
  ],
  [
    'moves the time when the reason changed',
    [{ ...good, reason: 'kept' }],
    [{ ...good, reason: 'kept', at: now.toISOString() }],
  ],
  [
    'sets the present time for a new type and keeps the time of the others',
    [{ ...good, type: 'haproxy' }, good],
    [{ ...good, type: 'haproxy', at: now.toISOString() }, ...before],
  ],
  ['removes a type without a verdict', [], []],
]
for (const [title, verdicts, expected] of rows) {
  void t.test(`updateConditions() ${title}`, (t) => {
    t.strictSame(updateConditions(before, verdicts, now), expected)
    t.end()
  })
}

void t.test('updateConditions() removes a message that the new verdict does not have', (t) => {
  const [condition] = updateConditions([{ ...good, message: 'old', at: then }], [good], now)
  t.strictSame(condition, { ...good, at: then })
  t.end()
})

const generations: readonly (readonly [title: string, generation: number, observed: number, expected: boolean])[] = [
  ['no spec was observed yet', 1, 0, false],
  ['an older spec was observed', 3, 2, false],
  ['the newest spec was observed', 3, 3, true],
]
for (const [title, generation, observedGeneration, expected] of generations) {
  void t.test(`looked() is ${String(expected)} when ${title}`, (t) => {
    t.equal(looked({ generation, observedGeneration, conditions: [] }), expected)
    t.end()
  })
}

interface Case {
  readonly observedGeneration?: number
  readonly statuses?: readonly Condition['status'][]
  readonly missing?: readonly string[]
  readonly required?: readonly string[]
}
const yes: readonly Condition['status'][] = ['true', 'true']
const cases: readonly (readonly [title: string, expected: boolean, Case])[] = [
  ['every condition is true', true, {}],
  ['a layer that is not required is missing', true, { missing: ['selinux'], required: ['quota'] }],
  ['a required layer is missing', false, { missing: ['selinux', 'quota'], required: ['quota'] }],
  ['one condition is false', false, { statuses: ['true', 'false'] }],
  ['one condition is unknown', false, { statuses: ['true', 'unknown'] }],
  ['no condition exists', false, { statuses: [] }],
  ['an older spec was observed', false, { observedGeneration: 1 }],
]
for (const [title, expected, { observedGeneration = 2, statuses = yes, missing = [], required = [] }] of cases) {
  void t.test(`ready() is ${String(expected)} when ${title}`, (t) => {
    const conditions = statuses.map((status, index): Condition => ({
      type: `facility${index}`,
      status,
      reason: 'said',
      at: then,
    }))
    t.equal(ready({ generation: 2, observedGeneration, conditions }, missing, required), expected)
    t.end()
  })
}

void t.test('updateConditions() escapes what is not printable in a message', async (t) => {
  const message = 'process 7 "a\u001b[2J\u009b\u202e" is left'
  const [condition] = updateConditions(
    [],
    [{ type: 'ports', status: 'false', reason: 'squatted', message }],
    new Date(),
  )
  t.equal(condition?.message, 'process 7 "a\\u001b[2J\\u009b\\u202e" is left')
})
