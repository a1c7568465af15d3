import { defaultLayout, type SlotLayout } from '@puppy/accounts'
import type { AccountRow } from '@puppy/state/store/accounts'
import type { DomainRow } from '@puppy/state/store/domains'

const at = new Date('2026-01-01T00:00:00.000Z')
const fresh = { generation: 1, observedGeneration: 0, conditions: [], createdAt: at, updatedAt: at, deletedAt: null }

/** A layout with four slots, 0 to 3, and the ports 10240 to 10271. */
export const smallLayout: SlotLayout = { ...defaultLayout, portLimit: defaultLayout.firstPort + 32 }

/** Returns an account as a row of the database. */
export function accountRow(id: number, more: Partial<AccountRow> = {}): AccountRow {
  return {
    ...fresh,
    id,
    reseller: 'acme',
    name: `account-${id}`,
    host: 'h1',
    slot: 0,
    plan: 'small',
    planSpec: { class: 'production', ports: 3, domains: 2 },
    sshKeys: [],
    state: 'active',
    labels: {},
    ...more,
  }
}

/** Returns a domain of an account on slot 0 as a row of the database. */
export function domainRow(id: number, more: Partial<DomainRow> = {}): DomainRow {
  return {
    ...fresh,
    id,
    name: `domain-${id}.example.com`,
    account: 1,
    accountName: 'account-1',
    reseller: 'acme',
    host: 'h1',
    slot: 0,
    suspended: false,
    port: 10_240,
    listener: null,
    ...more,
  }
}
