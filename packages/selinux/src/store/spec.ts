/** What the policy should have and not have. What a spec does not name stays as it is. */
export interface PolicySpec {
  /**
   * Text in CIL by the name of a module. The name in the store is this one with a part of the text's hash after it. Each module is an item of
   * its own: one that the compiler refuses has an error, and the others are installed.
   */
  readonly modules?: Readonly<Record<string, string>>
  /** Modules to remove, by the names under which they were installed. */
  readonly remove?: readonly string[]
  /** Values of booleans by name, now and after a reboot. */
  readonly booleans?: Readonly<Record<string, BooleanValue>>
  /** Whether denials that a policy hides (`dontaudit` rules) are logged. */
  readonly dontaudit?: Dontaudit
}

/** `default` is the policy's own value: the store has none. */
export type BooleanValue = boolean | 'default'

/** `silent` is what policies are made for. `logged` shows why something fails, and fills audit logs. */
export type Dontaudit = 'silent' | 'logged'

/** Returns what changes and results call a module. */
export function moduleTarget(module: string): string {
  return `module ${module}`
}

/** Returns what changes and results call a boolean. */
export function booleanTarget(boolean: string): string {
  return `boolean ${boolean}`
}

/** What changes and results call `PolicySpec.dontaudit`. */
export const dontauditTarget = 'dontaudit'

/** Returns the targets of the items of a spec, each once: modules, those to remove, booleans, `dontaudit`. Pure. */
export function itemsOf({ modules = {}, remove = [], booleans = {}, dontaudit }: PolicySpec): readonly string[] {
  const targets = [
    ...Object.keys(modules).map(moduleTarget),
    ...remove.map(moduleTarget),
    ...Object.keys(booleans).map(booleanTarget),
    ...(dontaudit === undefined ? [] : [dontauditTarget]),
  ]
  return [...new Set(targets)]
}
