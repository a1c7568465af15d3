import { createHash } from 'node:crypto'
import { SelinuxError } from '../errors.ts'
import type { StoreObservation } from './observe.ts'

/** What the policy should have and not have of ours. */
export interface PolicyWish {
  /** CIL by a name of ours; the name in the store has a part of the content's hash after it. */
  readonly modules?: Readonly<Record<string, string>>
  /** Names of ours whose modules go. */
  readonly remove?: readonly string[]
}

/** One difference between what is wanted and what the store has. */
export type PolicyChange =
  | { readonly action: 'install'; readonly module: string; readonly name: string; readonly text: string }
  | { readonly action: 'enable' | 'remove'; readonly module: string; readonly name: string }
  /** What the machine reads is empty or missing, as a power failure leaves it: it is made anew from the modules. */
  | { readonly action: 'rebuild'; readonly why: string }

/** What the transaction would change; nothing when the store is as wanted. */
export interface PolicyPlan {
  readonly changes: readonly PolicyChange[]
}

const hashLength = 12

/**
 * The name that a module has in the store: `puppy_slots-0a1b2c3d4e5f`.
 *
 * Whoever lists the store knows by it whether the content is as wanted.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a name that is no plain word of at most 40 letters, digits and `_`.
 */
export function moduleName(module: string, text: string): string {
  assertModule(module)
  return `${module}-${createHash('sha256').update(text).digest('hex').slice(0, hashLength)}`
}

function assertModule(module: string): void {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(module)) return
  const detail = 'names of modules are small letters, digits and _, at most 40'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'name the module', value: module, detail })
}

/** The module of ours that a name in the store is of; undefined for somebody else's. */
export function moduleOf(name: string): string | undefined {
  return /^([a-z][a-z0-9_]{0,39})-[0-9a-f]{12}$/.exec(name)?.[1]
}

/**
 * Plans what makes the store have what is wanted. Pure; a plan without changes needs no process.
 *
 * Only modules that the wish names are looked at.
 *
 * @throws SelinuxError `SELINUX_INVALID` for names, or for a module that is wanted and unwanted.
 */
export function planModules({ modules = {}, remove = [] }: PolicyWish, seen: StoreObservation): PolicyPlan {
  const both = remove.find((module) => module in modules)
  if (both !== undefined) {
    const detail = 'it is to be there and to go'
    throw new SelinuxError('SELINUX_INVALID', { operation: 'plan the module', value: both, detail })
  }
  const stale = (module: string, keep?: string): readonly PolicyChange[] =>
    seen.modules
      .filter((name) => name !== keep && moduleOf(name) === module)
      .map((name) => ({ action: 'remove', module, name }))
  const gone = remove.flatMap((module) => {
    assertModule(module)
    return stale(module)
  })
  const there = Object.entries(modules).flatMap(([module, text]): readonly PolicyChange[] => {
    const name = moduleName(module, text)
    const install: readonly PolicyChange[] = seen.modules.includes(name)
      ? []
      : [{ action: 'install', module, name, text }]
    const enable: readonly PolicyChange[] = seen.disabled.includes(name) ? [{ action: 'enable', module, name }] : []
    return [...stale(module, name), ...install, ...enable]
  })
  const rebuild: readonly PolicyChange[] = seen.empty.map((why) => ({ action: 'rebuild', why }))
  return { changes: [...gone, ...there, ...rebuild] }
}

/**
 * The words of semodule(8) for a plan, whose modules' texts are files in a folder.
 *
 * Removals come first: two versions of a module would say the same twice. Every change makes everything anew, so `-B`, which goes with nothing
 * else, is for a plan that changes no module.
 */
export function semoduleWords(changes: readonly PolicyChange[], fileOf: (name: string) => string): readonly string[] {
  const words = (['remove', 'install', 'enable'] as const).flatMap((action) =>
    changes.flatMap((change) => {
      if (change.action !== action) return []
      return [flags[action], change.action === 'install' ? fileOf(change.name) : change.name]
    }),
  )
  return words.length === 0 ? ['-B'] : ['-X', '400', ...words]
}

const flags = { remove: '-r', install: '-i', enable: '-e' } as const
