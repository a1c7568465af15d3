import { slotAt } from '@puppy/accounts/slots'
import type { Database, Queryable } from '@puppy/state'
import { ApiError } from '../errors.ts'
import { registrableDomain } from '../model/domain-name.ts'
import { findAccount, touchAccounts, type AccountRow } from '@puppy/state/store/accounts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import {
  countDomains,
  findDomain,
  findRival,
  insertDomain,
  lockDomainFamily,
  updateDomain,
  type DomainRow,
} from '@puppy/state/store/domains'
import { findHost } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'

export interface DomainTarget {
  readonly account: string
  readonly port: number
}

/**
 * Creates a domain that is routed to a port of an account of this reseller, or moves the existing domain there.
 *
 * @throws ApiError `domain_invalid`, `domain_taken`, `domain_limit`, `account_unknown`, `account_without_slot`,
 *   `port_not_of_account`.
 */
export async function putDomain(
  db: Database,
  actor: Actor,
  reseller: string,
  name: string,
  target: DomainTarget,
): Promise<{ created: boolean; id: number }> {
  const family = registrableDomain(name)
  return db.transaction((tx) => putInside(tx, actor, reseller, name, target, family))
}

async function putInside(
  tx: Queryable,
  actor: Actor,
  reseller: string,
  name: string,
  target: DomainTarget,
  family: string,
): Promise<{ created: boolean; id: number }> {
  await lockDomainFamily(tx, family)
  const rival = await findRival(tx, name, reseller)
  if (rival !== undefined)
    throw new ApiError(
      'domain_taken',
      `Domain ${name} is taken. Another reseller has it, or a domain above or below it.`,
      [{ pointer: 'domain', detail: 'is taken by another reseller' }],
    )
  const account = await findAccount(tx, { reseller, name: target.account }, true)
  if (account === undefined) {
    throw new ApiError('account_unknown', `Reseller ${reseller} has no account ${target.account}. Create it first.`, [
      { pointer: '/account', detail: 'must be the name of an existing account' },
    ])
  }
  await assertPort(tx, account, target.port)
  const existing = await findDomain(tx, name, true)
  return existing === undefined ? create(tx, actor, name, account, target) : move(tx, actor, existing, account, target)
}

async function assertPort(tx: Queryable, account: AccountRow, port: number): Promise<void> {
  const host = await findHost(tx, account.host)
  if (account.slot === null || host === undefined) {
    throw new ApiError(
      'account_without_slot',
      `Account ${account.name} has no ports yet, because it waits for a slot. Try again when it is ready.`,
    )
  }
  const ports = slotAt(host.layout, account.slot).ports.slice(0, account.planSpec.ports)
  if (ports.includes(port)) return
  throw new ApiError(
    'port_not_of_account',
    `Port ${port} does not belong to account ${account.name}. Its ports: ${ports.join(', ')}.`,
    [{ pointer: '/port', detail: `must be one of ${ports.join(', ')}` }],
  )
}

async function create(tx: Queryable, actor: Actor, name: string, account: AccountRow, target: DomainTarget) {
  await assertAllowance(tx, account)
  const id = await insertDomain(tx, name, account.id, target.port)
  await writeAudit(tx, actor, { action: 'domain.create', target: name, details: target })
  await notify(tx, wanted, account.host)
  return { created: true, id }
}

async function move(tx: Queryable, actor: Actor, existing: DomainRow, account: AccountRow, target: DomainTarget) {
  if (existing.account === account.id && existing.port === target.port) return { created: false, id: existing.id }
  if (existing.account !== account.id) await assertAllowance(tx, account)
  await updateDomain(tx, existing.id, account.id, target.port)
  // The environment of an account names its domains, so the account that loses the domain must be applied again.
  if (existing.account !== account.id) await touchAccounts(tx, { id: existing.account })
  await writeAudit(tx, actor, { action: 'domain.move', target: existing.name, details: target })
  for (const host of new Set([existing.host, account.host])) await notify(tx, wanted, host)
  return { created: false, id: existing.id }
}

async function assertAllowance(tx: Queryable, account: AccountRow): Promise<void> {
  const allowed = account.planSpec.domains
  if ((await countDomains(tx, account.id)) < allowed) return
  throw new ApiError(
    'domain_limit',
    `Account ${account.name} has reached the domain limit of plan ${account.plan} (${allowed}). Delete a domain or choose a larger plan.`,
  )
}
