import { defaultLayout, type SlotLayout } from '@puppy/accounts'
import type { AccountToVisit } from '@puppy/state/store/accounts'
import type { DomainToServe } from '@puppy/state/store/domains'

const fresh = { generation: 1, observedGeneration: 0, conditions: [], deletedAt: null }

/** A layout with four slots, 0 to 3, and the ports 10240 to 10271. */
export const smallLayout: SlotLayout = { ...defaultLayout, portLimit: defaultLayout.firstPort + 32 }

/** Returns an account as a row of the database. */
export function accountRow(id: number, more: Partial<AccountToVisit> = {}): AccountToVisit {
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
    holdsSlot: true,
    ...more,
  }
}

/** Returns a domain of an account on slot 0 as a row of the database. */
export function domainRow(id: number, more: Partial<DomainToServe> = {}): DomainToServe {
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
