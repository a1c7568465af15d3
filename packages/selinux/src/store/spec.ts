/** The state that a policy should have. Items that a spec does not name stay as they are. */
export interface PolicySpec {
  /**
   * Text in CIL by the name of a module. The name in the store is this name followed by a part of the hash of the text. Each module is a
   * separate item: when the compiler refuses one, it has an error, and the others are installed.
   */
  readonly modules?: Readonly<Record<string, string>>
  /** Modules to remove, by the names under which they were installed. */
  readonly remove?: readonly string[]
  /** Values of booleans by name, both now and after a reboot. */
  readonly booleans?: Readonly<Record<string, BooleanValue>>
  /** Whether denials that a policy hides (`dontaudit` rules) are logged. */
  readonly dontaudit?: Dontaudit
}

/** `default` is the default value of the policy: the store has no value. */
export type BooleanValue = boolean | 'default'

/** `silent` is the normal state of a policy. `logged` shows why an act fails, and fills audit logs. */
export type Dontaudit = 'silent' | 'logged'

/** Returns the target of a module in changes and results. */
export function moduleTarget(module: string): string {
  return `module ${module}`
}

/** Returns the target of a boolean in changes and results. */
export function booleanTarget(boolean: string): string {
  return `boolean ${boolean}`
}

/** The target of `PolicySpec.dontaudit` in changes and results. */
export const dontauditTarget = 'dontaudit'

/** Returns the targets of the items of a spec without duplicates: modules, modules to remove, booleans, `dontaudit`. Pure. */
export function itemsOf({ modules = {}, remove = [], booleans = {}, dontaudit }: PolicySpec): readonly string[] {
  const targets = [
    ...Object.keys(modules).map(moduleTarget),
    ...remove.map(moduleTarget),
    ...Object.keys(booleans).map(booleanTarget),
    ...(dontaudit === undefined ? [] : [dontauditTarget]),
  ]
  return [...new Set(targets)]
}
