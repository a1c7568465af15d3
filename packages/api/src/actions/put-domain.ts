import { slotAt } from '@puppy/accounts/slots'
import { errno } from '@puppy/host/errors'
import type { Database, Queryable } from '@puppy/state'
import { ApiError } from '../errors.ts'
import { registrableDomain } from '../model/domain-name.ts'
import { findAccount, touchAccounts, type AccountRow } from '@puppy/state/store/accounts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import {
  countDomains,
  countDomainsOfReseller,
  findDomain,
  findRival,
  insertDomain,
  lockDomainFamily,
  updateDomain,
  type DomainRow,
} from '@puppy/state/store/domains'
import { findHost } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { lockReseller } from '@puppy/state/store/resellers'

const exclusionViolation = '23P01'

export interface DomainTarget {
  readonly account: string
  readonly port: number
}

/**
 * Creates a domain that is routed to a port of an account of this reseller, or moves the existing domain there.
 *
 * All names of one registrable domain belong to one reseller, the first who has one. The accounts of this reseller may share them.
 *
 * @param most the number of domains that a reseller other than root can have
 * @throws ApiError `domain_invalid`, `domain_taken`, `domain_limit`, `account_unknown`, `account_without_slot`,
 *   `port_not_of_account`.
 */
export async function putDomain(
  db: Database,
  actor: Actor,
  reseller: string,
  name: string,
  target: DomainTarget,
  most: number,
): Promise<{ created: boolean; id: number }> {
  const family = registrableDomain(name)
  const claim = { name, family, reseller, most }
  return db
    .transaction((tx) => putInside(tx, actor, claim, target))
    .catch((error: unknown) => {
      if (errno(error) === exclusionViolation) throw taken(claim)
      throw error
    })
}

/** A name, and the reseller who asks for it. */
interface Claim {
  readonly name: string
  /** The registrable domain of the name. */
  readonly family: string
  readonly reseller: string
  readonly most: number
}

function taken({ name, family }: Claim): ApiError {
  return new ApiError(
    'domain_taken',
    `Domain ${name} is taken, because another reseller has a name of the registrable domain ${family}. ` +
      'All names of a registrable domain belong to one reseller. An admin can delete the names of the other reseller.',
    [{ pointer: 'domain', detail: `belongs to ${family}, which another reseller has` }],
  )
}

async function putInside(
  tx: Queryable,
  actor: Actor,
  claim: Claim,
  target: DomainTarget,
): Promise<{ created: boolean; id: number }> {
  const { name, family, reseller } = claim
  await lockDomainFamily(tx, family)
  if ((await findRival(tx, family, reseller)) !== undefined) throw taken(claim)
  const account = await findAccount(tx, { reseller, name: target.account }, true)
  if (account === undefined) {
    throw new ApiError('account_unknown', `Reseller ${reseller} has no account ${target.account}. Create it first.`, [
      { pointer: '/account', detail: 'must be the name of an existing account' },
    ])
  }
  await assertPort(tx, account, target.port)
  const existing = await findDomain(tx, name, true)
  return existing === undefined ? create(tx, actor, claim, account, target) : move(tx, actor, existing, account, target)
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

async function create(tx: Queryable, actor: Actor, claim: Claim, account: AccountRow, target: DomainTarget) {
  const { name, family } = claim
  await assertAllowance(tx, account)
  await assertRoom(tx, claim)
  const id = await insertDomain(tx, name, family, account.id, target.port)
  await writeAudit(tx, actor, { action: 'domain.create', target: name, after: target })
  await notify(tx, wanted, account.host)
  return { created: true, id }
}

async function move(tx: Queryable, actor: Actor, existing: DomainRow, account: AccountRow, target: DomainTarget) {
  if (existing.account === account.id && existing.port === target.port) return { created: false, id: existing.id }
  if (existing.account !== account.id) await assertAllowance(tx, account)
  await updateDomain(tx, existing.id, account.id, target.port)
  // The environment of an account names its domains, so the account that loses the domain must be applied again.
  if (existing.account !== account.id) await touchAccounts(tx, { id: existing.account })
  const before = { account: existing.accountName, port: existing.port }
  await writeAudit(tx, actor, { action: 'domain.move', target: existing.name, before, after: target })
  for (const host of new Set([existing.host, account.host])) await notify(tx, wanted, host)
  return { created: false, id: existing.id }
}

/** Refuses a domain beyond the limit of the reseller. Locks the reseller until commit, so that concurrent requests count each other. */
async function assertRoom(tx: Queryable, { reseller, most }: Claim): Promise<void> {
  if (reseller === 'root') return
  await lockReseller(tx, reseller)
  if ((await countDomainsOfReseller(tx, reseller)) < most) return
  throw new ApiError(
    'domain_limit',
    `Reseller ${reseller} has reached the limit of ${most} domains. Domains that are being deleted count too. Delete a domain, or ask the operator to raise PUPPY_DOMAINS_PER_RESELLER.`,
  )
}

async function assertAllowance(tx: Queryable, account: AccountRow): Promise<void> {
  const allowed = account.planSpec.domains
  if ((await countDomains(tx, account.id)) < allowed) return
  throw new ApiError(
    'domain_limit',
    `Account ${account.name} has reached the domain limit of plan ${account.plan} (${allowed}). Delete a domain or choose a larger plan.`,
  )
}
