import { errno } from '@puppy/host/errors'
import type { Database, Queryable } from '@puppy/state'
import { ApiError } from '../errors.ts'
import {
  findAccount,
  insertAccount,
  countAccountsOfReseller,
  updateAccount,
  type AccountName,
  type AccountRow,
  type AccountSpec,
} from '@puppy/state/store/accounts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { countDomains, domainsBeyondPorts } from '@puppy/state/store/domains'
import { chooseHost, type HostRow } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { findPlan, type PlanRow } from '@puppy/state/store/plans'
import { lockReseller, resellerExists } from '@puppy/state/store/resellers'
import { countSlots, countWaiting, takeSlot } from '@puppy/state/store/slots'
import { assertSshKeys } from './ssh-keys.ts'

const uniqueViolation = '23505'

/**
 * Creates an account on a free slot, or changes the existing account to this spec.
 *
 * Without a free slot the account waits until the agent has built one.
 *
 * @param most the number of accounts that a reseller other than root can have
 * @throws ApiError `account_limit`, `ssh_key_invalid`, `plan_unknown`, `plan_ports`, `domain_limit`, `no_host`, `pool_exhausted`, `reseller_unknown`.
 */
export async function putAccount(
  db: Database,
  actor: Actor,
  who: AccountName,
  spec: AccountSpec,
  most: number,
): Promise<{ created: boolean; id: number }> {
  assertSshKeys(spec.sshKeys)
  const attempt = () => db.transaction((tx) => putInside(tx, actor, who, spec, most))
  // Two requests create the same name at once: the second attempt finds the row of the other request and changes it.
  return attempt().catch((error: unknown) => {
    if (errno(error) === uniqueViolation) return attempt()
    throw error
  })
}

async function putInside(tx: Queryable, actor: Actor, who: AccountName, spec: AccountSpec, most: number) {
  const plan = await planOf(tx, spec, 'share')
  const existing = await findAccount(tx, who, true)
  if (existing !== undefined) return converge(tx, actor, existing, spec, plan)
  return create(tx, actor, who, spec, most)
}

async function converge(tx: Queryable, actor: Actor, existing: AccountRow, spec: AccountSpec, plan: PlanRow) {
  if (existing.plan !== plan.name) await assertFits(tx, existing, plan)
  if (await updateAccount(tx, existing.id, spec)) {
    await writeAudit(tx, actor, {
      action: 'account.change',
      target: `${existing.reseller}/${existing.name}`,
      before: specOf(existing),
      after: spec,
    })
    await notify(tx, wanted, existing.host)
  }
  return { created: false, id: existing.id }
}

function specOf({ plan, sshKeys, state, labels }: AccountRow): AccountSpec {
  return { plan, sshKeys, state, labels }
}

async function assertFits(tx: Queryable, account: AccountRow, plan: PlanRow): Promise<void> {
  const at = [{ pointer: '/plan', detail: 'must be a plan that allows the domains and ports of the account' }]
  const stranded = await domainsBeyondPorts(tx, { account: account.id, ports: plan.spec.ports })
  if (stranded !== undefined) {
    throw new ApiError(
      'plan_ports',
      `Domain ${stranded} points to a port that plan ${plan.name} does not include. Move the domain to another port first.`,
      at,
    )
  }
  const domains = await countDomains(tx, account.id)
  if (domains > plan.spec.domains) {
    throw new ApiError(
      'domain_limit',
      `Plan ${plan.name} allows fewer domains (${plan.spec.domains}) than account ${account.name} has (${domains}). Delete domains first.`,
      at,
    )
  }
}

/**
 * Changes an existing account. `change` gets the locked row, so two concurrent changes do not undo each other.
 *
 * @throws ApiError as `putAccount`, and `account_not_found`.
 */
export async function changeAccount(
  db: Database,
  actor: Actor,
  who: AccountName,
  change: (row: AccountRow) => AccountSpec,
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await findAccount(tx, who, true)
    if (row === undefined)
      throw new ApiError('account_not_found', `Reseller ${who.reseller} has no account ${who.name}.`)
    const spec = change(row)
    await converge(tx, actor, row, spec, await planOf(tx, spec))
  })
}

/**
 * Returns the plan of a spec. With `lock`, locks the plan row until commit. Lock order is always plan, then account, to avoid a deadlock
 * with `putPlan`.
 */
async function planOf(tx: Queryable, { plan }: AccountSpec, lock?: 'share'): Promise<PlanRow> {
  const row = await findPlan(tx, plan, lock)
  if (row !== undefined) return row
  throw new ApiError('plan_unknown', `Plan ${plan} does not exist. GET /v1/plans lists the plans.`, [
    { pointer: '/plan', detail: 'must be the name of an existing plan' },
  ])
}

async function create(tx: Queryable, actor: Actor, who: AccountName, spec: AccountSpec, most: number) {
  if (!(await resellerExists(tx, who.reseller)))
    throw new ApiError(
      'reseller_unknown',
      `Reseller ${who.reseller} does not exist. Correct the parameter "reseller".`,
      [{ pointer: 'reseller', detail: 'must be the name of an existing reseller' }],
    )
  await assertFewer(tx, who.reseller, most)
  const host = await chooseHost(tx)
  if (host === undefined)
    throw new ApiError('no_host', 'No agent has registered a host yet. Start one: "npm start" on the host.')
  const slot = await takeSlot(tx, host.name)
  if (slot === undefined) await assertRoom(tx, host)
  const id = await insertAccount(tx, who, { ...spec, host: host.name, slot })
  await writeAudit(tx, actor, { action: 'account.create', target: `${who.reseller}/${who.name}`, after: spec })
  await notify(tx, wanted, host.name)
  return { created: true, id }
}

/** Refuses an account beyond the limit of the reseller. Locks the reseller until commit, so that concurrent requests count each other. */
async function assertFewer(tx: Queryable, reseller: string, most: number): Promise<void> {
  if (reseller === 'root') return
  await lockReseller(tx, reseller)
  if ((await countAccountsOfReseller(tx, reseller)) < most) return
  throw new ApiError(
    'account_limit',
    `Reseller ${reseller} has reached the limit of ${most} accounts. Accounts that are being deleted count too. Delete an account, or ask the operator to raise PUPPY_ACCOUNTS_PER_RESELLER.`,
  )
}

/** Refuses an account that the pool has no room for. An account may wait only for a slot that will be built or scrubbed. */
async function assertRoom(tx: Queryable, host: HostRow): Promise<void> {
  const [slots, waiting] = [await countSlots(tx, host.name), await countWaiting(tx, host.name)]
  const usable = host.poolMax - slots.taken - slots.blocked
  if (usable - waiting > 0) return
  throw new ApiError(
    'pool_exhausted',
    `All ${host.poolMax} slots of host ${host.name} are taken or blocked. Delete accounts, raise max of the pool, or add a host.`,
  )
}
