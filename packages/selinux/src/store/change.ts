import type { Applied, Change, ChangeSet, ItemResult } from '@puppy/host'
import type { SelinuxError } from '../errors.ts'
import type { ObservedPolicy } from './read-store.ts'
import type { BooleanValue, PolicySpec } from './spec.ts'

interface ChangeOf<Action extends string> extends Change {
  readonly facility: 'selinux'
  readonly action: Action
}

interface ModuleChange<Action extends string> extends ChangeOf<Action> {
  /** The name in the spec. */
  readonly module: string
  /** The name in the store. */
  readonly name: string
}

/** Installs a module. */
interface InstallChange extends ModuleChange<'install'> {
  readonly text: string
}

/** Gives a boolean a value now and after a reboot. */
interface SetChange extends ChangeOf<'set'> {
  readonly boolean: string
  readonly from: BooleanValue
  readonly value: BooleanValue
}

/** Gives the kernel the value of a boolean that the store has already. Needs no transaction. */
interface LoadChange extends ChangeOf<'load'> {
  readonly boolean: string
  readonly value: boolean
}

/**
 * One difference between a spec and a policy.
 *
 * `log` and `silence` switch the logging of hidden denials. `rebuild` makes a file that the machine reads and that is empty or missing, as a
 * power failure leaves it, from the modules. `repair` restores a store that a transaction left between its two renames.
 */
export type PolicyChange =
  | InstallChange
  | ModuleChange<'enable' | 'disable' | 'remove'>
  | SetChange
  | LoadChange
  | ChangeOf<'log' | 'silence' | 'rebuild' | 'repair'>

/** The differences between a spec and a policy, with what they were planned against. */
export interface PolicyChangeSet extends ChangeSet<PolicyChange, SelinuxError> {
  readonly spec: PolicySpec
  readonly observed: ObservedPolicy
}

/** What became of a module, a boolean, or `dontaudit`. */
export type PolicyResult = ItemResult<SelinuxError>

/** What became of a change set. */
export interface AppliedPolicy extends Applied<PolicyResult, PolicyChange> {
  /** Whether the kernel still has the policy from before: load_policy(8) gives it the new one. */
  readonly needsReload: boolean
}
