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

/** Sets a boolean, both now and after a reboot. */
interface SetChange extends ChangeOf<'set'> {
  readonly boolean: string
  readonly from: BooleanValue
  readonly value: BooleanValue
}

/** Sets a boolean in the kernel to the value that the store already has. Needs no transaction. */
interface LoadChange extends ChangeOf<'load'> {
  readonly boolean: string
  readonly value: boolean
}

/**
 * One difference between a spec and a policy.
 *
 * `log` and `silence` switch the logging of hidden denials. `rebuild` builds a file from the modules again: the machine reads this file,
 * and it is empty or missing, for example after a power failure. `repair` restores a store when a transaction was killed between its two
 * renames.
 */
export type PolicyChange =
  | InstallChange
  | ModuleChange<'enable' | 'disable' | 'remove'>
  | SetChange
  | LoadChange
  | ChangeOf<'log' | 'silence' | 'rebuild' | 'repair'>

/** The differences between a spec and a policy, with the spec and the observation for which they were planned. */
export interface PolicyChangeSet extends ChangeSet<PolicyChange, SelinuxError> {
  readonly spec: PolicySpec
  readonly observed: ObservedPolicy
}

/** The result for a module, a boolean, or `dontaudit`. */
export type PolicyResult = ItemResult<SelinuxError>

/** The result of a change set. */
export interface AppliedPolicy extends Applied<PolicyResult, PolicyChange> {
  /** Whether the kernel still has the previous policy. load_policy(8) loads the new one. */
  readonly needsReload: boolean
}
