import { setTimeout as sleep } from 'node:timers/promises'
import type { ReconcileContext } from '../../src/pass.ts'
import type { Facility } from '../../src/facilities/facility.ts'
import type { Database } from '@puppy/state'
import { insertAccount, type AccountState } from '@puppy/state/store/accounts'
import { insertDomain } from '@puppy/state/store/domains'
import { registerHost, type Registration } from '@puppy/state/store/hosts'
import type { SlotState } from '@puppy/state/store/slots'
import type { TestDatabase } from '@puppy/state/testing'
import { smallLayout } from './rows.ts'

export const registration: Registration = {
  name: 'h1',
  machineId: 'machine of h1',
  layout: smallLayout,
  mode: 'live',
  poolFree: 0,
  poolMax: 4,
}

/** Registers a host with slots in these states, and inserts the plan `small`. */
export async function addHostWith(
  database: TestDatabase,
  slots: readonly SlotState[] = [],
  more: Partial<Registration> = {},
): Promise<void> {
  await registerHost(database.agent, { ...registration, ...more })
  for (const [n, state] of slots.entries()) {
    const values = [more.name ?? 'h1', n, state, state !== 'taken']
    await database.agent.query('insert into slots (host, n, state, evicted) values ($1, $2, $3, $4)', values)
  }
  const spec = JSON.stringify({ class: 'production', ports: 3, domains: 2 })
  await database.owner.query(`insert into plans (name, spec) values ('small', $1) on conflict do nothing`, [spec])
}

/** Inserts an account, on a slot or waiting for one. */
export function addAccount(
  owner: Database,
  name: string,
  slot?: number,
  state: AccountState = 'active',
): Promise<number> {
  const spec = { plan: 'small', sshKeys: [], state, labels: {} }
  return insertAccount(owner, { reseller: 'root', name }, { ...spec, host: 'h1', slot })
}

/** Inserts a domain of an account. */
export function addDomain(owner: Database, name: string, account: number, port: number): Promise<number> {
  return insertDomain(owner, name, name, account, port)
}

/** Returns the context of a pass on `h1`, with the lines that it logged. */
export function contextOf(
  database: TestDatabase,
  facilities: readonly Facility[],
  more: Partial<ReconcileContext> = {},
): ReconcileContext & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    database: database.agent,
    host: 'h1',
    facilities,
    dryRun: false,
    log: (line) => lines.push(line),
    lines,
    ...more,
  }
}

/** Returns the slots of `h1` as words: `0 free`, or `0 dirty: evict_failed`. */
export async function slotStates(owner: Database): Promise<readonly string[]> {
  const rows = await owner.query<{ n: number; state: string; reason: string | null }>(
    `select n, state, reason from slots where host = 'h1' order by n`,
  )
  return rows.map(({ n, state, reason }) => `${n} ${state}${reason === null ? '' : `: ${reason}`}`)
}

/** Waits until a condition is true. Only the time limit of the test ends the wait. */
export async function until(yes: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await yes())) await sleep(20)
}
