import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { slotAt, slotCount, type EndOptions, type SlotLayout } from '@puppy/accounts'
import { openCgroups } from '@puppy/cgroups'
import type { ConfigSpec, Haproxy } from '@puppy/haproxy'
import type { Host } from '@puppy/host'
import type { Quota } from '@puppy/quota'
import { openPolicy, type Policy, type PolicyOptions } from '@puppy/selinux'
import { endSlices } from '../cgroups/end-slices.ts'
import { accountsFacility } from './accounts.ts'
import { cgroupsFacility } from './cgroups.ts'
import type { Facility } from './facility.ts'
import { firewallFacility, type FirewallFacilityOptions } from './firewall.ts'
import { haproxyFacility, type HaproxyFacility } from './haproxy.ts'
import { mountsFacility } from './mounts.ts'
import { portsFacility } from './ports.ts'
import { quotaFacility } from './quota.ts'
import { selinuxFacility } from './selinux.ts'
import { viewFacility } from './view.ts'

/** What the facilities of a host need. */
export interface FacilitiesOptions {
  readonly machine: Host
  readonly host: Host
  readonly layout: SlotLayout
  readonly haproxy: Haproxy
  /** The spec of HAProxy's configuration. */
  readonly proxy: ConfigSpec
  /** Quotas of the file system of the homes. */
  readonly quota: Quota
  /** The folder for files that a reboot deletes. */
  readonly runDir: string
  readonly firewall: Pick<FirewallFacilityOptions, 'firewall' | 'callers' | 'guards' | 'rulesFile'>
  /** Aborts the work that runs in the background. */
  readonly signal?: AbortSignal
}

/**
 * Creates all facilities, in the order in which they serve a slot: first the user, then its limits and isolation layers, last the route
 * for visitors.
 */
export function facilitiesOf(options: FacilitiesOptions): {
  readonly facilities: readonly Facility[]
  readonly proxy: HaproxyFacility
} {
  const proxy = haproxyFacility(options.haproxy, options.proxy)
  const { layout, host } = options
  const last = slotCount(layout) - 1
  const tenantUids = { first: layout.firstUid, last: layout.firstUid + Math.max(last, 0) }
  const firewall = firewallFacility({ ...options.firewall, host, tenantUids })
  const ports = portsFacility({ host, firewallStands: () => firewall.stands() })
  const { gather, asked } = everybody()
  const { signal } = options
  const policy = openTenantPolicy(host, layout, { gather, ...(signal === undefined ? {} : { signal }) })
  const runFolder = join(options.runDir, 'cgroups')
  const cgroups = cgroupsFacility({ host, layout, policy, runFolder })
  const groups = openCgroups(host)
  const endGroups = async (uids: readonly number[], ending: EndOptions) => {
    await endSlices(groups, uids, ending.signal ?? new AbortController().signal)
  }
  const view = viewFacility({ host, layout, policy })
  const quota = quotaFacility({ host, quota: options.quota, tenantUids, replaced: () => view.replaced() })
  const mounts = mountsFacility({ host, layout, replaced: () => view.replaced() })
  const accounts = accountsFacility({
    ...options,
    endGroups,
    counted: (signal) => quota.counted(signal),
    installingView: () => view.installing(),
  })
  const selinux = selinuxFacility({ host, layout, policy, asked })
  return { facilities: [accounts, cgroups, view, mounts, quota, firewall, selinux, ports, proxy], proxy }
}

/** Milliseconds to wait for the levels of slots. Where SELinux does not work they never come. */
const patience = 30_000
/** Milliseconds between the request for levels and the moment when its transaction is in the queue. */
const grace = 1000

/**
 * Creates the function that delays the first policy transaction until all facilities have requested their changes. One transaction then
 * applies the changes of all.
 */
function everybody() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let first = true
  const gather = async (signal?: AbortSignal) => {
    if (!first) return
    first = false
    // When the caller aborts this wait, the transaction reports it.
    await Promise.race([
      promise.then(() => sleep(grace, undefined, { signal })),
      sleep(patience, undefined, { signal, ref: false }),
    ])
  }
  return { gather, asked: () => resolve() }
}

/** Opens the SELinux policy of a host. The users of slots are hidden from the tools: tenants need no file contexts of their own. */
export function openTenantPolicy(host: Host, layout: SlotLayout, options: Omit<PolicyOptions, 'hidden'> = {}): Policy {
  const hidden = () => Array.from({ length: slotCount(layout) }, (_, n) => slotAt(layout, n).user)
  return openPolicy(host, { hidden, ...options })
}
