import type { Slot } from '@puppy/accounts'
import type { Limits } from '@puppy/cgroups'
import type { Egress } from '@puppy/firewall'
import type { Verdict, PlanSpec } from '@puppy/state'
import type { FacilityState, PlannedChange } from '@puppy/state/store/hosts'
import type { SlotState } from '@puppy/state/store/slots'

/** Planned changes, and the function that applies them. A dry run never calls `apply`. */
export interface Step<Result> {
  readonly changes: readonly PlannedChange[]
  /** The result as far as it is known without applying, for a dry run. */
  readonly foreseen?: Result
  apply(): Promise<Result>
}

/** Whether a facility can use a slot, and if not, why. */
export interface SlotVerdict {
  readonly status: 'ready' | 'blocked' | 'failed'
  readonly reason?: string
  readonly message?: string
}
/** Verdicts by slot number. A slot without an entry is ready. */
export type SlotVerdicts = ReadonlyMap<number, SlotVerdict>

/** A slot with its state. A slot without an account is blocked when another user has its uid or ports. A taken slot is only repaired. */
export interface SlotToBuild {
  readonly slot: Slot
  readonly state: SlotState
}

/** An account on its slot. The slot is computed from its number, and no part of it is read from a row. */
export interface Tenant {
  readonly id: number
  readonly reseller: string
  readonly name: string
  readonly slot: Slot
  /** How many of the slot's ports the plan includes. */
  readonly ports: number
  readonly sshKeys: readonly string[]
  readonly domains: readonly string[]
  readonly suspended: boolean
  /** Whether its limits are reduced, so that it continues to run and does not disturb its neighbours. */
  readonly throttled: boolean
  /** The plan's limits for processes. */
  readonly limits: Limits
  /** The plan's disk limits, applied as hard limits. */
  readonly disk: NonNullable<PlanSpec['disk']>
}

/** A domain and the port that it is routed to. */
export interface RouteSpec {
  readonly id: number
  readonly domain: string
  readonly port: number
}

/** A built slot, and the egress policy of its account. */
interface BuiltSlot {
  readonly slot: Slot
  readonly egress: Egress
  /** Whether no account has it and it was scrubbed. */
  readonly free: boolean
}

/** The spec of this host from the database, with valid rows only. */
export interface View {
  /** Whether this pass observes everything, and not only rows that changed since they were observed. */
  readonly complete: boolean
  /** Every built slot of the host that is not blocked, in every pass. */
  readonly builtSlots: readonly BuiltSlot[]
  /** The tenants to visit: those that changed since they were observed, and in a complete pass all. */
  readonly tenants: readonly Tenant[]
  /** Every route of the host, in every pass. */
  readonly routes: readonly RouteSpec[]
  /** The slots whose domains answer that the account is suspended. */
  readonly suspended: readonly number[]
  /** Domains to remove, by id. Another row may have the same name again. */
  readonly goneRoutes: readonly { readonly id: number; readonly domain: string }[]
}

/** The results of `serve`. */
export interface Served {
  /** Verdicts by account id. */
  readonly accounts: ReadonlyMap<number, Verdict>
  /** Verdicts by domain id. */
  readonly domains: ReadonlyMap<number, Verdict>
  /** Ids of deleted domains whose routes were seen removed. */
  readonly gone: readonly number[]
  /** The repairs of changes from outside Puppy, in words. Absent: there were none. */
  readonly repaired?: string
}

/** The result of a `serve` that has nothing to report. */
export const servedNothing: Served = { accounts: new Map(), domains: new Map(), gone: [] }

/** Whether a slot was evicted or scrubbed, and if not, why. */
export interface Given {
  readonly done: boolean
  readonly message?: string
}

/** One line of `puppy doctor` about a facility that works. */
export interface Finding {
  readonly works: boolean
  readonly what: string
  /** What is wrong and what to do. It is shown only when `works` is false. */
  readonly otherwise?: string
}

/**
 * One Linux mechanism as the agent uses it. Only `name` and `probe` are required: a facility that limits tenants has only `serve`, and one
 * that labels ports also has `build`.
 *
 * The agent calls `prepare`, `build`, `serve` and `scrub` in the order of the facilities, and `evict` in the reverse order. A method
 * observes once for all its input, and plans. Its step applies in one batch. If a method throws, all its input gets a false condition, and
 * the other facilities continue.
 */
export interface Facility {
  readonly name: string
  /** Whether it ends processes and removes files. While such a facility does not work, no slot is released. */
  readonly clears?: boolean
  /**
   * Whether `prepare` installs what `probe` looks for. Then `prepare` is also called while the facility does not work, and `probe` again
   * after it.
   */
  readonly installs?: boolean
  /** The type of its conditions. Default: its name. */
  readonly condition?: string
  /** What has its conditions. Default: both. */
  readonly judges?: readonly ('accounts' | 'domains')[]
  /** Reports whether it works on this host, and if not, why and what to do. */
  probe(signal: AbortSignal): Promise<FacilityState>
  /** Prepares the host: base files, a running daemon. Returns remarks for the operator. */
  prepare?(signal: AbortSignal): Promise<Step<readonly string[]>>
  /** Builds slots. Blocks those whose uid, group, home or ports belong to another user. */
  build?(slots: readonly SlotToBuild[], signal: AbortSignal): Promise<Step<SlotVerdicts>>
  /** Applies the spec of tenants and routes. */
  serve?(view: View, signal: AbortSignal): Promise<Step<Served>>
  /** Ends the activity of released slots: routes, logins, processes. Must be fast. */
  evict?(slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>>
  /**
   * Removes what the accounts of released slots left behind, and verifies it. Slots that an earlier facility could not clean are not
   * passed. May take long. Runs in the background.
   *
   * @param working the names of the facilities that take part. A later one may prove what this one cannot.
   */
  scrub?(
    slots: readonly Slot[],
    signal: AbortSignal,
    working?: ReadonlySet<string>,
  ): Promise<Step<ReadonlyMap<number, Given>>>
  /** Checks whether everything that the facility applied is still there, for `puppy doctor`. */
  inspect?(view: View, signal: AbortSignal): Promise<readonly Finding[]>
}
