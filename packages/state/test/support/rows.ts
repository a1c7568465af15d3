import { setTimeout as sleep } from 'node:timers/promises'
import { defaultLayout } from '@puppy/accounts'
import type { Database } from '../../src/database/pool.ts'
import type { PlanSpec } from '../../src/plan-spec.ts'
import { insertAccount, type AccountSpec } from '../../src/store/accounts.ts'
import type { Actor } from '../../src/store/audit.ts'
import { registerHost } from '../../src/store/hosts.ts'
import { generateKey, insertKey } from '../../src/store/keys.ts'
import { upsertPlan } from '../../src/store/plans.ts'
import { insertSlots, recordSlots, takeSlot } from '../../src/store/slots.ts'

export const smallPlan = { class: 'production', ports: 3, domains: 2 } as const
/** A real key, made by ssh-keygen for tests. Its private key was deleted. */
export const sshKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID7D6y52RDNHJK7uQzG1AWwISlViTOYzR8ktOapgHJNu anna'

/** Inserts a reseller and a key for it. Returns the key. */
export async function addReseller(owner: Database, name: string): Promise<string> {
  await owner.query('insert into resellers (name) values ($1)', [name])
  const key = generateKey()
  await insertKey(owner, key, { reseller: name, scopes: ['reseller'], label: 'test' })
  return key
}

/** Registers a host with free slots, as an agent does. */
export async function addHost(agent: Database, name = 'h1', free = 10): Promise<void> {
  await registerHost(agent, {
    name,
    machineId: `machine of ${name}`,
    layout: defaultLayout,
    mode: 'live',
    poolFree: free,
    poolMax: 2816,
  })
  await insertSlots(agent, name, free, 2816)
  const slots = Array.from(
    { length: free },
    (_, n) => ({ n, from: 'building', to: 'free', evicted: true, reason: null, message: null }) as const,
  )
  await recordSlots(agent, name, slots)
}

/** The caller of the actions in a test. */
export const actor: Actor = {
  caller: { key: 'test', reseller: 'root', admin: true },
  address: '127.0.0.1',
  requestId: 'r1',
}

export const spec: AccountSpec = { plan: 'small', sshKeys: [], state: 'active', labels: {} }

export async function addPlan(api: Database, name = 'small', limits: Partial<PlanSpec> = {}): Promise<void> {
  await upsertPlan(api, name, { ...smallPlan, ...limits })
}

export interface Given {
  readonly reseller?: string
  readonly host?: string
  readonly plan?: string
  /** Absent: a free slot. Null: no slot. */
  readonly slot?: number | null
}

/** Inserts an account as the API does. Returns its id. */
export async function addAccount(api: Database, name: string, given: Given = {}): Promise<number> {
  const { reseller = 'root', host = 'h1', plan = 'small' } = given
  const slot = given.slot === undefined ? await takeSlot(api, host) : (given.slot ?? undefined)
  return insertAccount(api, { reseller, name }, { ...spec, plan, host, slot })
}

/** Returns the first row of a query, or an empty object. */
export async function one(owner: Database, text: string, ...values: unknown[]): Promise<Record<string, unknown>> {
  return (await owner.query<Record<string, unknown>>(text, values))[0] ?? {}
}

/** Waits until a connection to this database waits for a lock of another connection. */
export async function untilBlocked(owner: Database): Promise<void> {
  const blocked = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  while ((await owner.query(blocked)).length === 0) await sleep(5)
}
