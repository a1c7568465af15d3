import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import type { Egress } from '@puppy/firewall'
import type { Verdict } from '@puppy/state'
import { limitsOf } from '@puppy/state/plan-spec'
import type { AccountRow } from '@puppy/state/store/accounts'
import type { DomainRow } from '@puppy/state/store/domains'
import type { BuiltSlotRow } from '@puppy/state/store/slots'
import type { RouteSpec, Tenant, View } from './facilities/facility.ts'

/** A view with valid rows only. Invalid rows get a false condition, and no facility sees them. */
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

const nowhere: Surroundings = { complete: false, builtSlots: [] }

/** A plan of another version may have an egress policy that this version does not know. Such a policy counts as `default`. */
function isEgress(text: string): text is Egress {
  return ['default', 'open', 'client', 'local'].includes(text)
}

/**
 * Computes the spec of the host from rows that an attacker who controls the API may have written. Pure.
 *
 * User, uid, home and ports depend only on the slot's number. A domain's port must be one of the slot's ports.
 */
export function checkView(
  layout: SlotLayout,
  accounts: readonly AccountRow[],
  domains: readonly DomainRow[],
  around: Surroundings = nowhere,
): CheckedView {
  const isSlot = (n: number | null): n is number => n !== null && Number.isInteger(n) && n >= 0 && n < slotCount(layout)
  const refusedAccounts = new Map<number, Verdict>()
  const refusedDomains = new Map<number, Verdict>()
  const routes: RouteSpec[] = []
  for (const { id, name, slot, port } of domains.filter(({ deletedAt }) => deletedAt === null)) {
    if (!isSlot(slot)) refusedDomains.set(id, refused('no_slot', waiting))
    else if (slotAt(layout, slot).ports.includes(port)) routes.push({ id, domain: name, port })
    else refusedDomains.set(id, refused('port_not_of_account', `port ${port} ${foreignPort}`))
  }
  const accepted = domains.filter(({ id, deletedAt }) => deletedAt === null && !refusedDomains.has(id))
  const tenants = accounts.flatMap((row): readonly Tenant[] => {
    if (!isSlot(row.slot)) {
      const slots = `this host has slots 0 to ${slotCount(layout) - 1}, and not ${row.slot}`
      refusedAccounts.set(
        row.id,
        refused('no_slot', `${slots}; restore the account’s row from a backup of the database`),
      )
      return []
    }
    return [tenantOf(row, slotAt(layout, row.slot), accepted)]
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

function tenantOf(row: AccountRow, slot: Tenant['slot'], domains: readonly DomainRow[]): Tenant {
  return {
    id: row.id,
    reseller: row.reseller,
    name: row.name,
    slot,
    ports: row.planSpec.ports,
    sshKeys: row.sshKeys,
    domains: domains.filter(({ account }) => account === row.id).map(({ name }) => name),
    suspended: row.state === 'suspended',
    throttled: row.state === 'throttled',
    limits: limitsOf(row.planSpec),
    disk: row.planSpec.disk ?? {},
  }
}
