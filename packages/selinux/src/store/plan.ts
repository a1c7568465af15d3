import { SelinuxError } from '../errors.ts'
import { assertModule, moduleName, moduleOf } from './modules.ts'
import type { StoreObservation } from './observe.ts'

/** What the policy should have and not have. What is not named stays as it is. */
export interface PolicyWish {
  /** CIL by a name of ours; the name in the store has a part of the content's hash after it. */
  readonly modules?: Readonly<Record<string, string>>
  /** Names of ours whose modules go. */
  readonly remove?: readonly string[]
  /** Values of booleans by name, now and after a reboot; `default` gives one back to the policy. */
  readonly booleans?: Readonly<Record<string, BooleanWish>>
  /** Whether the denials that policies keep to themselves (`dontaudit`) are written down: for a while, to find out why something fails. */
  readonly dontaudit?: Dontaudit
}

export type BooleanWish = boolean | 'default'

/** `silent` is what policies want; `logged` fills audit logs. */
export type Dontaudit = 'silent' | 'logged'

/** One difference between what is wanted and what is. */
export type PolicyChange =
  | { readonly action: 'install'; readonly module: string; readonly name: string; readonly text: string }
  | { readonly action: 'enable' | 'disable' | 'remove'; readonly module: string; readonly name: string }
  | {
      readonly action: 'set'
      readonly boolean: string
      readonly from: BooleanWish
      readonly value: BooleanWish
    }
  | { readonly action: 'dontaudit'; readonly value: Dontaudit }
  /** The store has the value and the kernel another: somebody changed it until the next boot. No transaction is needed. */
  | { readonly action: 'load'; readonly boolean: string; readonly value: boolean }
  /** What the machine reads is empty or missing, as a power failure leaves it: it is made anew from the modules. */
  | { readonly action: 'rebuild'; readonly why: string }

/** What would change; nothing when all is as wanted. */
export interface PolicyPlan {
  readonly changes: readonly PolicyChange[]
}

/**
 * Plans what makes the policy have what is wanted. Pure; a plan without changes needs no process.
 *
 * Only what the wish names is looked at.
 *
 * @throws SelinuxError `SELINUX_INVALID` for names, for a module that is wanted and unwanted, and for a boolean that neither the loaded policy
 *   nor a module of the wish has.
 */
export function planPolicy(wish: PolicyWish, seen: StoreObservation): PolicyPlan {
  const rebuild = seen.empty.map((why): PolicyChange => ({ action: 'rebuild', why }))
  return {
    changes: [...moduleChanges(wish, seen), ...booleanChanges(wish, seen), ...dontauditChange(wish, seen), ...rebuild],
  }
}

/**
 * Plans what takes changes back. Pure. What was mended stays mended.
 *
 * @param seen the policy as it was before them
 * @param textOf the text of a module from before, by its name in the store
 */
export function planBack(
  changes: readonly PolicyChange[],
  seen: StoreObservation,
  textOf: (name: string) => string | undefined,
): readonly PolicyChange[] | undefined {
  const back: PolicyChange[] = []
  for (const change of changes) {
    if (change.action === 'install') back.push({ action: 'remove', module: change.module, name: change.name })
    else if (change.action === 'enable') back.push({ ...change, action: 'disable' })
    else if (change.action === 'disable') back.push({ ...change, action: 'enable' })
    else if (change.action === 'dontaudit') back.push({ ...change, value: seen.dontaudit })
    else if (change.action === 'set') back.push({ ...change, from: change.value, value: change.from })
    else if (change.action === 'load') back.push({ ...change, value: !change.value })
    else if (change.action === 'remove') {
      const text = textOf(change.name)
      if (text === undefined) return undefined
      back.push({ ...change, action: 'install', text })
    }
  }
  return back
}

function moduleChanges({ modules = {}, remove = [] }: PolicyWish, seen: StoreObservation): readonly PolicyChange[] {
  const both = remove.find((module) => module in modules)
  if (both !== undefined) throw invalid('plan the module', both, 'it is to be there and to go')
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
  return [...gone, ...there]
}

function booleanChanges({ booleans = {}, modules = {} }: PolicyWish, seen: StoreObservation): readonly PolicyChange[] {
  return Object.entries(booleans).flatMap(([name, value]): readonly PolicyChange[] => {
    assertBoolean(name)
    const from = seen.booleans[name] ?? 'default'
    const loaded = seen.loaded?.[name]
    const declared = Object.values(modules).some((text) => declares(text, name))
    if (seen.loaded !== undefined && loaded === undefined && value !== 'default' && !declared) throw noBoolean(name)
    if (from !== value) return [{ action: 'set', boolean: name, from, value }]
    if (value === 'default' || loaded === undefined || loaded === value) return []
    return [{ action: 'load', boolean: name, value }]
  })
}

/** Whether CIL of ours has a boolean of that name. */
export function declares(text: string, boolean: string): boolean {
  return text.includes(`(boolean ${boolean} `)
}

function dontauditChange({ dontaudit }: PolicyWish, seen: StoreObservation): readonly PolicyChange[] {
  return dontaudit === undefined || dontaudit === seen.dontaudit ? [] : [{ action: 'dontaudit', value: dontaudit }]
}

/** Names of booleans are files of the kernel's, too. @throws SelinuxError `SELINUX_INVALID` */
export function assertBoolean(name: string): void {
  if (/^[A-Za-z][A-Za-z0-9_]{0,254}$/.test(name)) return
  throw invalid('set the boolean', name, 'names of booleans are letters, digits and _')
}

export function noBoolean(name: string): SelinuxError {
  return invalid('set the boolean', name, 'the policy has none of that name (getsebool -a lists them)')
}

function invalid(operation: string, value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, value, detail })
}
