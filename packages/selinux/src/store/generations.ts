import type { Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { moduleName, moduleOf } from './modules.ts'
import type { PolicyChange } from './change.ts'
import type { ObservedPolicy } from './read-store.ts'
import type { BooleanValue, PolicySpec } from './spec.ts'

/** The changes of one transaction to modules and booleans of this library, with their previous values. */
export interface Generation {
  readonly modules: readonly ChangedModule[]
  readonly booleans: readonly ChangedBoolean[]
}

interface ChangedModule {
  readonly module: string
  /** The name in the store before and after the transaction. Absent when the module was not in the store. */
  readonly before?: string
  readonly after?: string
}

interface ChangedBoolean {
  readonly boolean: string
  readonly before: BooleanValue
  readonly after: BooleanValue
}

/** The parent folder. Each policy has its own folder in it. */
export const generationsFolders = '/var/lib/puppy-selinux'

/**
 * Returns the folder with the texts of the modules of this library, the current and the previous ones. It survives a reboot, so
 * `rollback` works after a reboot. In the store the texts are compressed, and libsemanage keeps its own `previous` only where
 * semanage.conf(5) requires it.
 */
export function generationsFolder(type: string): string {
  return `${generationsFolders}/${type}`
}

/** Returns the path of the text of a module. A transaction reads it. */
export function textFile(type: string, name: string): string {
  return `${generationsFolder(type)}/${name}.cil`
}

const listFile = (type: string) => `${generationsFolder(type)}/generations.json`

/** Returns the generation for a list of changes. Returns undefined when they only repair. Pure. */
export function generationOf(changes: readonly PolicyChange[]): Generation | undefined {
  const names = (action: 'remove' | 'install') =>
    new Map(changes.flatMap((change) => (change.action === action ? [[change.module, change.name]] : [])))
  const [before, after] = [names('remove'), names('install')]
  const modules = [...new Set([...before.keys(), ...after.keys()])].map((module): ChangedModule => {
    const [old, made] = [before.get(module), after.get(module)]
    return { module, ...(old === undefined ? {} : { before: old }), ...(made === undefined ? {} : { after: made }) }
  })
  const booleans = changes.flatMap((change): readonly ChangedBoolean[] =>
    change.action === 'set' ? [{ boolean: change.boolean, before: change.from, after: change.value }] : [],
  )
  return modules.length + booleans.length === 0 ? undefined : { modules, booleans }
}

/**
 * Returns whether the store still has the result of a transaction: the transaction took place, and no other process has changed its items
 * since. Pure.
 */
export function stands({ modules, booleans }: Generation, observed: ObservedPolicy): boolean {
  const asLeft = ({ module, after }: ChangedModule) => {
    const there = observed.modules.filter((name) => moduleOf(name) === module)
    return after === undefined ? there.length === 0 : there.length === 1 && there[0] === after
  }
  return (
    modules.every(asLeft) && booleans.every(({ boolean, after }) => (observed.booleans[boolean] ?? 'default') === after)
  )
}

/**
 * Writes the planned changes of a transaction before they are made. Also keeps the last generation whose result is still in the store, so
 * a killed transaction does not lose it.
 */
export async function writeGeneration(
  host: Host,
  observed: ObservedPolicy,
  changes: readonly PolicyChange[],
): Promise<void> {
  const { type } = observed
  await host.makeFolder(generationsFolder(type), { mode: 0o700 })
  for (const change of changes)
    if (change.action === 'install') await host.replace(textFile(type, change.name), change.text, { mode: 0o600 })
  const next = generationOf(changes)
  if (next === undefined) return
  const last = (await readGenerations(host, type)).findLast((generation) => stands(generation, observed))
  const kept = [...(last === undefined ? [] : [last]), next]
  await host.replace(listFile(type), `${JSON.stringify(kept)}\n`, { mode: 0o600 })
}

/** Removes the texts that neither the store nor `rollback` needs. */
export async function tidyGenerations(host: Host, { type, modules }: ObservedPolicy): Promise<void> {
  const known = (await readGenerations(host, type)).flatMap((generation) =>
    generation.modules.flatMap(({ before, after }) => [before ?? [], after ?? []].flat()),
  )
  const needed = new Set([...modules, ...known].map((name) => `${name}.cil`))
  for (const file of await host.list(generationsFolder(type)))
    if (file.endsWith('.cil') && !needed.has(file)) await host.remove(`${generationsFolder(type)}/${file}`)
}

/**
 * Reads the state before the last transaction of this library whose result is still in the store, as a spec.
 *
 * @throws SelinuxError `SELINUX_NO_PREVIOUS` when the store has no such transaction, or the text of a previous module is missing.
 */
export async function previousSpec(host: Host, observed: ObservedPolicy): Promise<PolicySpec> {
  const { type } = observed
  const last = (await readGenerations(host, type)).findLast((generation) => stands(generation, observed))
  if (last === undefined) {
    throw noPrevious(
      type,
      'there was no transaction, or another program has changed its result; install the modules that you want',
    )
  }
  const modules: Record<string, string> = {}
  for (const { module, before } of last.modules) {
    if (before === undefined) continue
    const text = await readText(host, type, before)
    if (text === undefined) {
      throw noPrevious(
        type,
        `the text of the previous module ${before} is missing or was changed; install the modules that you want`,
      )
    }
    modules[module] = text
  }
  return {
    modules,
    remove: last.modules.flatMap(({ module, before }) => (before === undefined ? [module] : [])),
    booleans: Object.fromEntries(last.booleans.map(({ boolean, before }) => [boolean, before])),
  }
}

/** Reads the text of a module by its name in the store. Returns undefined when the text is missing or has another hash. */
export async function readText(host: Host, type: string, name: string): Promise<string | undefined> {
  const [module, text] = [moduleOf(name), await host.read(textFile(type, name))]
  return module !== undefined && text !== undefined && moduleName(module, text) === name ? text : undefined
}

function noPrevious(type: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_NO_PREVIOUS', { operation: 'roll back the policy', target: type, detail })
}

/** Reads the list of generations. A damaged list counts as empty: there is nothing to roll back to. */
async function readGenerations(host: Host, type: string): Promise<readonly Generation[]> {
  return parseGenerations((await host.read(listFile(type))) ?? '[]')
}

/** Parses the list of generations. Leaves out entries of another form. Pure. */
export function parseGenerations(text: string): readonly Generation[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    return []
  }
  return Array.isArray(list) ? list.filter(isGeneration) : []
}

function isGeneration(value: unknown): value is Generation {
  const { modules, booleans } = fields(value)
  return (
    Array.isArray(modules) &&
    Array.isArray(booleans) &&
    modules.every((one) => {
      const { module, before, after } = fields(one)
      return (
        typeof module === 'string' &&
        [before, after].every((name) => name === undefined || (typeof name === 'string' && moduleOf(name) === module))
      )
    }) &&
    booleans.every((one) => {
      const { boolean, before, after } = fields(one)
      return typeof boolean === 'string' && [before, after].every(isBooleanValue)
    })
  )
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isBooleanValue(value: unknown): value is BooleanValue {
  return typeof value === 'boolean' || value === 'default'
}
