import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import type { Egress } from '@puppy/firewall'
import type { Verdict } from '@puppy/state'
import { limitsOf } from '@puppy/state/plan-spec'
import type { AccountToVisit } from '@puppy/state/store/accounts'
import type { DomainToServe } from '@puppy/state/store/domains'
import type { BuiltSlotRow } from '@puppy/state/store/slots'
import type { RouteSpec, Tenant, View } from './facilities/facility.ts'
import { checkAccount, domainFault, generationFault, type SoundAccount } from './row-faults.ts'

/** A view with valid rows only. Invalid rows get a false condition. */
export interface CheckedView {
  readonly view: View
  readonly refusedAccounts: ReadonlyMap<number, Verdict>
  readonly refusedDomains: ReadonlyMap<number, Verdict>
}

function refused(reason: string, message: string): Verdict {
  return { type: 'slot', status: 'false', reason, message }
}

/** What a pass knows in addition to accounts and domains. */
export interface Surroundings {
  readonly complete: boolean
  readonly builtSlots: readonly BuiltSlotRow[]
}

const waiting = 'the account of this domain has no slot yet; the domain is routed when the account gets one'
const foreignPort = 'does not belong to the account of this domain; change the domain to one of the account’s ports'

const notTaken = 'another row took or released the slot of this account; delete the account'

const nowhere: Surroundings = { complete: false, builtSlots: [] }

/** A plan of another version may have an egress policy that this version does not know. Such a policy counts as `default`. */
function isEgress(text: string): text is Egress {
  return ['default', 'open', 'client', 'local'].includes(text)
}

/**
 * Computes the spec of the host from rows that an attacker who controls the API may have written. Pure.
 *
 * User, uid, home and ports depend only on the slot's number. A domain's port must be one of the slot's ports. Each row has its own verdict,
 * and an invalid row affects no other one. No facility sees the row of an invalid account, so the host keeps what it has for the account.
 */
export function checkView(
  layout: SlotLayout,
  accounts: readonly AccountToVisit[],
  domains: readonly DomainToServe[],
  around: Surroundings = nowhere,
): CheckedView {
  const isSlot = (n: number | null): n is number => n !== null && Number.isInteger(n) && n >= 0 && n < slotCount(layout)
  const refusedAccounts = new Map<number, Verdict>()
  const refusedDomains = new Map<number, Verdict>()
  const routes: RouteSpec[] = []
  for (const { id, name, slot, port, generation, deletedAt } of domains) {
    if (deletedAt !== null) continue
    const fault = domainFault({ name })
    if (fault !== undefined) refusedDomains.set(id, invalid(fault))
    else if (!isSlot(slot)) refusedDomains.set(id, refused('no_slot', waiting))
    else if (!slotAt(layout, slot).ports.includes(port))
      refusedDomains.set(id, refused('port_not_of_account', `port ${port} ${foreignPort}`))
    else {
      routes.push({ id, domain: name, port })
      const wrong = generationFault(generation)
      // Its name and port are valid, so the route stays.
      if (wrong !== undefined) refusedDomains.set(id, invalid(wrong))
    }
  }
  const routed = new Set(routes.map(({ id }) => id))
  const byAccount = Map.groupBy(
    domains.filter(({ id }) => routed.has(id)),
    ({ account }) => account,
  )
  const tenants = accounts.flatMap((row): readonly Tenant[] => {
    const { id, slot } = row
    const checked = isSlot(slot) ? check(row) : { verdict: refused('no_slot', noSuchSlot(layout, slot)) }
    if (isSlot(slot) && 'sound' in checked)
      return [tenantOf(checked.sound, slotAt(layout, slot), byAccount.get(id) ?? [])]
    if ('verdict' in checked) refusedAccounts.set(id, checked.verdict)
    return []
  })
  const suspended = domains
    .filter((row) => row.suspended && row.deletedAt === null && isSlot(row.slot))
    .map(({ slot }) => slot ?? 0)
  const goneRoutes = domains.filter(({ deletedAt }) => deletedAt !== null).map(({ id, name }) => ({ id, domain: name }))
  const builtSlots = around.builtSlots
    .filter(({ n }) => isSlot(n))
    .map(({ n, egress, free }) => ({ slot: slotAt(layout, n), egress: isEgress(egress) ? egress : 'default', free }))
  const view = {
    complete: around.complete,
    builtSlots,
    tenants,
    routes,
    suspended: [...new Set(suspended)],
    goneRoutes,
  }
  return { view, refusedAccounts, refusedDomains }
}

function noSuchSlot(layout: SlotLayout, slot: number | null): string {
  const slots = `this host has slots 0 to ${slotCount(layout) - 1}, and not ${slot}`
  return `${slots}; restore the account’s row from a backup of the database`
}

/** Checks one account. A row that makes the check itself fail is refused too. */
function check(row: AccountToVisit): { readonly sound: SoundAccount } | { readonly verdict: Verdict } {
  if (!row.holdsSlot) return { verdict: refused('slot_not_taken', notTaken) }
  try {
    const checked = checkAccount(row)
    return 'sound' in checked ? checked : { verdict: invalid(checked.fault) }
  } catch (error) {
    return { verdict: invalid(`the check failed: ${error instanceof Error ? error.message : String(error)}`) }
  }
}

function invalid(fault: string): Verdict {
  return refused('row_invalid', `the row in the database is not valid: ${fault}`)
}

function tenantOf(row: SoundAccount, slot: Tenant['slot'], domains: readonly DomainToServe[]): Tenant {
  const suspended = row.state === 'suspended'
  return {
    id: row.id,
    reseller: row.reseller,
    name: row.name,
    slot,
    ports: row.planSpec.ports,
    // A suspended account has no keys on the host, and those of its row were not checked.
    sshKeys: suspended ? [] : row.sshKeys,
    domains: domains.map(({ name }) => name),
    suspended,
    throttled: row.state === 'throttled',
    limits: limitsOf(row.planSpec),
    disk: row.planSpec.disk ?? {},
  }
}
