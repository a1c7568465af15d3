import type { Slot } from '@puppy/accounts'
import type { Limits } from '@puppy/cgroups'
import type { Egress } from '@puppy/firewall'
import type { Verdict, PlanSpec } from '@puppy/state'
import type { FacilityState, PlannedChange } from '@puppy/state/store/hosts'
import type { SlotState } from '@puppy/state/store/slots'

/** What would be done, as a value to show, and the doing of it. A dry run never calls `apply`. */
export interface Step<Result> {
  readonly changes: readonly PlannedChange[]
  /** What is known without doing it; for a dry run. */
  readonly foreseen?: Result
  apply(): Promise<Result>
}

export interface SlotVerdict {
  readonly status: 'ready' | 'blocked' | 'failed'
  readonly reason?: string
  readonly message?: string
}
/** By slot number. A facility leaves out what it has nothing to say of. */
export type SlotVerdicts = ReadonlyMap<number, SlotVerdict>

/** A slot with its state: one that nobody has may be found to belong to somebody else, a taken one is only repaired. */
export interface SlotToBuild {
  readonly slot: Slot
  readonly state: SlotState
}

/** An account on its slot. Everything about the machine in it was computed, nothing was read from a row. */
export interface Tenant {
  readonly id: number
  readonly reseller: string
  readonly name: string
  readonly slot: Slot
  /** How many of the slot's ports its plan gives it. */
  readonly ports: number
  readonly sshKeys: readonly string[]
  readonly domains: readonly string[]
  readonly suspended: boolean
  /** Its limits are reduced: it runs on and does not disturb its neighbours. */
  readonly throttled: boolean
  /** What its plan allows its processes. */
  readonly limits: Limits
  /** What its plan allows it to keep: hard limits. */
  readonly disk: NonNullable<PlanSpec['disk']>
}

export interface RouteSpec {
  readonly id: number
  readonly domain: string
  readonly port: number
}

/** A slot that is built, and what whoever has it may reach. */
interface BuiltSlot {
  readonly slot: Slot
  readonly egress: Egress
  /** Nobody has it, and nothing of whoever had it before is left. */
  readonly free: boolean
}

/** What the database wants of this host, checked. */
export interface View {
  /** Whether this pass looks at everything, and not only at what is behind. */
  readonly complete: boolean
  /** Every slot of the host that is built and not somebody else's, always. */
  readonly builtSlots: readonly BuiltSlot[]
  /** The tenants that somebody has to look at; all of them in a full reconcile. */
  readonly tenants: readonly Tenant[]
  /** Every route of the host, always. */
  readonly routes: readonly RouteSpec[]
  readonly suspended: readonly number[]
  /** Domains that are to be gone, by id; their names may be wanted again by another row. */
  readonly goneRoutes: readonly { readonly id: number; readonly domain: string }[]
}

export interface Served {
  /** By account id. */
  readonly accounts: ReadonlyMap<number, Verdict>
  /** By domain id. */
  readonly domains: ReadonlyMap<number, Verdict>
  /** Deleted domains that were seen gone. */
  readonly gone: readonly number[]
  /** What others had taken away or changed of what stood here, and was put right, in words. */
  readonly repaired?: string
}

export const servedNothing: Served = { accounts: new Map(), domains: new Map(), gone: [] }

export interface Given {
  readonly done: boolean
  readonly message?: string
}

/** One thing that `puppy doctor` says of a facility that works. */
export interface Finding {
  readonly works: boolean
  readonly what: string
  /** Why it does not, and what helps. */
  readonly otherwise?: string
}

/**
 * One Linux mechanism as the agent uses it. Every part is optional but the first two: a facility that limits tenants
 * has only `serve`, one that labels ports has `build` too.
 *
 * The agent calls `prepare`, `build`, `serve` and `scrub` in the order of the facilities, and `evict` in the reverse order. A
 * method observes once for everything it is given, and plans; its step applies in one batch. A method may throw: then
 * all that it was given gets a false condition, and the other facilities go on.
 */
export interface Facility {
  readonly name: string
  /** Nothing is given back while it does not work: it is the one that ends processes and removes files. */
  readonly clears?: boolean
  /** The type of the conditions that it gives, if it is not its name. */
  readonly condition?: string
  /** What its conditions are about. Default both. */
  readonly judges?: readonly ('accounts' | 'domains')[]
  /** Whether it works on this host, and if not why and what would help. */
  probe(signal: AbortSignal): Promise<FacilityState>
  /** What the host needs once: base files, a running daemon. Gives remarks for the operator. */
  prepare?(signal: AbortSignal): Promise<Step<readonly string[]>>
  /** Makes slots ready for anybody; those that others have are blocked. */
  build?(slots: readonly SlotToBuild[], signal: AbortSignal): Promise<Step<SlotVerdicts>>
  /** Makes what tenants are to have true. */
  serve?(view: View, signal: AbortSignal): Promise<Step<Served>>
  /** Ends what a released slot still does: routes, logins, processes. Quick. */
  evict?(slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>>
  /**
   * Removes what it left behind and proves it; gets the slots that nobody before it failed to clean. May take long; runs beside
   * everything else.
   */
  scrub?(slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>>
  /** Looks whether what it has made stands, for a person who asks. */
  inspect?(view: View, signal: AbortSignal): Promise<readonly Finding[]>
}
