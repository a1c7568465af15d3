import { slotAt } from '@puppy/accounts/slots'
import { looked, ready, type Observed, missingLayers } from '@puppy/state'
import type { AccountRow } from '@puppy/state/store/accounts'
import type { DomainRow } from '@puppy/state/store/domains'
import type { HostRow } from '@puppy/state/store/hosts'
import type { PlanRow } from '@puppy/state/store/plans'
import type { SlotRow, PoolCounts } from '@puppy/state/store/slots'
import type { ProcessesUsed, UsageRow } from '@puppy/state/store/usage'
import type { AccountAnswer, Usage } from './schemas/account.ts'
import type { DomainAnswer, HostAnswer, PlanAnswer, PoolAnswer } from './schemas/resources.ts'

/** What a response depends on besides the row. */
export interface Context {
  readonly hosts: ReadonlyMap<string, HostRow>
  /** The facilities that a host must have before a resource can be ready. */
  readonly required: readonly string[]
  /** Whether the caller is an admin, who also receives messages. */
  readonly admin: boolean
}

function observedPart(thing: Observed, host: HostRow | undefined, context: Context) {
  const missing = missingLayers(host?.facilities ?? {})
  return {
    generation: thing.generation,
    observedGeneration: thing.observedGeneration,
    ready: ready(thing, missing, context.required),
    missing: [...missing],
    // Messages can name paths and programs of the host, so only admins receive them.
    conditions: thing.conditions.map(({ message, ...rest }) =>
      context.admin && message !== undefined ? { ...rest, message } : rest,
    ),
  }
}

export function presentAccount(row: AccountRow, domains: readonly DomainRow[], context: Context): AccountAnswer {
  const host = context.hosts.get(row.host)
  const slot = row.slot === null || host === undefined ? undefined : slotAt(host.layout, row.slot)
  return {
    name: row.name,
    reseller: row.reseller,
    host: row.host,
    ...(slot === undefined ? {} : { user: slot.user, uid: slot.uid, home: slot.home }),
    ports: slot === undefined ? [] : slot.ports.slice(0, row.planSpec.ports),
    plan: row.plan,
    sshKeys: [...row.sshKeys],
    state: row.state,
    labels: { ...row.labels },
    domains: domains.map(({ name, port, listener }) => ({ name, port, ...(listener === null ? {} : { listener }) })),
    ...observedPart(row, host, context),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

export function presentUsage({ createdAt }: AccountRow, row: UsageRow | undefined): Usage {
  const none = {
    requests: 0,
    bytesIn: 0,
    bytesOut: 0,
    sent: null,
    received: null,
    disk: null,
    processes: null,
    since: createdAt,
    sampledAt: createdAt,
  }
  const { requests, bytesIn, bytesOut, sent, received, disk, processes, since, sampledAt } = row ?? none
  return {
    requests,
    bytesIn,
    bytesOut,
    ...(sent === null || received === null ? {} : { traffic: { sent, received } }),
    ...(disk === null ? {} : { disk }),
    ...(processes === null ? {} : { processes: presentProcesses(processes) }),
    since: since.toISOString(),
    sampledAt: sampledAt.toISOString(),
  }
}

/** Presents process counters. Disk counters that the kernel does not count are absent, not zero. */
function presentProcesses({ total, now, disks }: ProcessesUsed) {
  const { readBytes, writtenBytes, readOperations, writtenOperations, ...others } = total
  return { ...others, ...now, ...(disks ? { readBytes, writtenBytes, readOperations, writtenOperations } : {}) }
}

export function presentDomain(row: DomainRow, context: Context): DomainAnswer {
  return {
    name: row.name,
    reseller: row.reseller,
    account: row.accountName,
    port: row.port,
    ...(row.listener === null ? {} : { listener: row.listener }),
    ...observedPart(row, context.hosts.get(row.host), context),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

export function presentPlan(row: PlanRow): PlanAnswer {
  return {
    name: row.name,
    ...row.spec,
    generation: row.generation,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  }
}

export function presentPool(host: HostRow, counts: PoolCounts, waiting: number, slots: readonly SlotRow[]): PoolAnswer {
  const trouble = slots.filter(({ reason }) => reason !== null)
  return {
    free: host.poolFree,
    max: host.poolMax,
    slots: counts,
    waiting,
    trouble: trouble.map(({ n, state, reason, message }) => ({
      slot: n,
      user: slotAt(host.layout, n).user,
      state,
      reason: reason ?? '',
      ...(message === null ? {} : { message }),
    })),
  }
}

export function presentHost(host: HostRow, pool: PoolAnswer): HostAnswer {
  return {
    name: host.name,
    mode: host.mode,
    alive: host.alive,
    ...(host.heartbeatAt === null ? {} : { heartbeatAt: host.heartbeatAt.toISOString() }),
    facilities: host.facilities,
    missing: [...missingLayers(host.facilities)],
    conditions: [...host.conditions],
    pool,
  }
}

/** Returns 201 or 200 if the host has tried to apply the newest spec, with success or not. Returns 202 if it has not tried yet. */
export function writeStatus(thing: Observed, created: boolean): 200 | 201 | 202 {
  if (!looked(thing)) return 202
  return created ? 201 : 200
}
