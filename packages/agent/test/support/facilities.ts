import type { Facility, Given, Served, SlotVerdict, Step, View } from '../../src/facilities/facility.ts'
import type { Condition } from '@puppy/state'
import type { TestDatabase } from '@puppy/state/testing'

type Verb = 'prepare' | 'build' | 'serve' | 'evict' | 'scrub'

export interface Doing {
  readonly seen?: string[]
  readonly fails?: Verb | 'probe' | `${Verb} applied`
  readonly blocks?: readonly number[]
  readonly keeps?: readonly number[]
  readonly remarks?: readonly string[]
  readonly repairs?: string[]
  readonly onView?: (view: View) => void
  readonly works?: boolean
  readonly clears?: boolean
}

/** Creates a facility with every method. It records what it planned and applied. */
export function facility(name: string, doing: Doing = {}): Facility {
  const {
    seen = [],
    fails,
    blocks = [],
    keeps = [],
    remarks = [],
    repairs = [],
    onView,
    works = true,
    clears = false,
  } = doing
  const step = <Result>(verb: Verb, targets: string, result: Result): Step<Result> => {
    seen.push(`${name} plans ${verb}${targets}`)
    if (fails === verb) throw new Error(`${verb} is out of order`)
    return {
      changes: [{ facility: name, target: targets.trim(), action: verb }],
      apply: async () => {
        if (fails === `${verb} applied`) throw new Error(`${verb} is out of order`)
        seen.push(`${name} applies ${verb}`)
        return result
      },
    }
  }
  const given = (slots: readonly { readonly n: number }[]) =>
    new Map(
      slots.map(({ n }): [number, Given] => [
        n,
        keeps.includes(n) ? { done: false, message: 'stuck' } : { done: true },
      ]),
    )
  const numbers = (slots: readonly { readonly n: number }[]) => ` ${slots.map(({ n }) => n).join()}`
  return {
    name,
    clears,
    probe: async () => {
      if (fails === 'probe') throw new Error('the probe is out of order')
      return works ? { works } : { works, reason: 'it is not installed' }
    },
    prepare: async () => step('prepare', '', remarks),
    build: async (slots) => {
      const verdicts = slots.map(({ slot: { n } }): [number, SlotVerdict] =>
        blocks.includes(n)
          ? [n, { status: 'blocked', reason: 'uid_taken', message: 'anna has it' }]
          : [n, { status: 'ready' }],
      )
      return step('build', numbers(slots.map(({ slot }) => slot)), new Map(verdicts))
    },
    serve: async (view) => {
      onView?.(view)
      const verdict = { type: name, status: 'true', reason: 'applied' } as const
      const repaired = repairs.shift()
      const served: Served = {
        ...(repaired === undefined ? {} : { repaired }),
        accounts: new Map(view.tenants.map(({ id }) => [id, verdict])),
        domains: new Map(view.routes.map(({ id }) => [id, verdict])),
        gone: view.goneRoutes.map(({ id }) => id),
      }
      return step('serve', numbers(view.tenants.map(({ slot }) => slot)), served)
    },
    evict: async (slots) => step('evict', numbers(slots), given(slots)),
    scrub: async (slots) => step('scrub', numbers(slots), given(slots)),
  }
}

/** Returns the conditions of accounts or domains as words: `quota true applied`. */
export async function conditionsOf(
  database: TestDatabase,
  table: 'accounts' | 'domains',
): Promise<Record<string, string[]>> {
  const rows = await database.owner.query<{ name: string; conditions: readonly Condition[] }>(
    `select name, conditions from ${table} where observed_generation >= generation order by id`,
  )
  const words = ({ type, status, reason }: Condition) => `${type} ${status} ${reason}`
  return Object.fromEntries(rows.map(({ name, conditions }) => [name, conditions.map(words)]))
}

/** The statement that releases slot `$1`, as the deletion of an account does. */
export const released = `update slots set state = 'dirty', evicted = false where host = 'h1' and n = $1`
