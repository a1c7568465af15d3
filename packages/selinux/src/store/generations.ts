import type { Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { moduleName, moduleOf } from './modules.ts'
import type { StoreObservation } from './observe.ts'
import type { BooleanWish, PolicyChange, PolicyWish } from './plan.ts'

/** What one transaction changed of ours, and from what. */
export interface Generation {
  readonly modules: readonly ChangedModule[]
  readonly booleans: readonly ChangedBoolean[]
}

interface ChangedModule {
  readonly module: string
  /** Its name in the store before and after; absent where it was not there. */
  readonly before?: string
  readonly after?: string
}

interface ChangedBoolean {
  readonly boolean: string
  readonly before: BooleanWish
  readonly after: BooleanWish
}

/** Below it each policy has its own. */
export const generationsFolders = '/var/lib/puppy-selinux'

/**
 * A folder of ours that outlives a reboot, after which one may want to go back: the texts of what our modules are and were. In the store they
 * are compressed, and a transaction's own `previous` is kept only where semanage.conf(5) says so.
 */
export function generationsFolder(type: string): string {
  return `${generationsFolders}/${type}`
}

/** Where the text of a module is kept, and read by a transaction. */
export function textFile(type: string, name: string): string {
  return `${generationsFolder(type)}/${name}.cil`
}

const listFile = (type: string) => `${generationsFolder(type)}/generations.json`

/** What a plan changes of ours; undefined when it only mends. Pure. */
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

/** Whether a store is as a transaction left it, as far as that one went: it took place, and nobody changed it since. Pure. */
export function stands({ modules, booleans }: Generation, seen: StoreObservation): boolean {
  const asLeft = ({ module, after }: ChangedModule) => {
    const there = seen.modules.filter((name) => moduleOf(name) === module)
    return after === undefined ? there.length === 0 : there.length === 1 && there[0] === after
  }
  return (
    modules.every(asLeft) && booleans.every(({ boolean, after }) => (seen.booleans[boolean] ?? 'default') === after)
  )
}

/**
 * Writes down what a transaction is about to change, before it does: killed in between, the one before is still known.
 */
export async function writeGeneration(
  host: Host,
  { type, ...seen }: StoreObservation,
  changes: readonly PolicyChange[],
): Promise<void> {
  await host.makeFolder(generationsFolder(type), { mode: 0o700 })
  for (const change of changes)
    if (change.action === 'install') await host.replace(textFile(type, change.name), change.text, { mode: 0o600 })
  const next = generationOf(changes)
  if (next === undefined) return
  const last = (await readGenerations(host, type)).findLast((generation) => stands(generation, { type, ...seen }))
  const kept = [...(last === undefined ? [] : [last]), next]
  await host.replace(listFile(type), `${JSON.stringify(kept)}\n`, { mode: 0o600 })
}

/** Removes the texts that neither the store nor a way back needs. */
export async function tidyGenerations(host: Host, { type, modules }: StoreObservation): Promise<void> {
  const known = (await readGenerations(host, type)).flatMap((generation) =>
    generation.modules.flatMap(({ before, after }) => [before ?? [], after ?? []].flat()),
  )
  const needed = new Set([...modules, ...known].map((name) => `${name}.cil`))
  for (const file of await host.list(generationsFolder(type)))
    if (file.endsWith('.cil') && !needed.has(file)) await host.remove(`${generationsFolder(type)}/${file}`)
}

/**
 * Reads what was there before the last transaction of ours that stands, as a wish.
 *
 * @throws SelinuxError `SELINUX_NO_PREVIOUS` when none stands, or the text of a module from before is not kept.
 */
export async function previousWish(host: Host, seen: StoreObservation): Promise<PolicyWish> {
  const { type } = seen
  const last = (await readGenerations(host, type)).findLast((generation) => stands(generation, seen))
  if (last === undefined) throw noPrevious(type, 'no transaction of ours stands as it was made')
  const modules: Record<string, string> = {}
  for (const { module, before } of last.modules) {
    if (before === undefined) continue
    const text = await readText(host, type, before)
    if (text === undefined) throw noPrevious(type, `the text of ${before} is not kept`)
    modules[module] = text
  }
  return {
    modules,
    remove: last.modules.flatMap(({ module, before }) => (before === undefined ? [module] : [])),
    booleans: Object.fromEntries(last.booleans.map(({ boolean, before }) => [boolean, before])),
  }
}

/** The text of a module by its name in the store; undefined when it is not kept, or is another one. */
export async function readText(host: Host, type: string, name: string): Promise<string | undefined> {
  const [module, text] = [moduleOf(name), await host.read(textFile(type, name))]
  return module !== undefined && text !== undefined && moduleName(module, text) === name ? text : undefined
}

function noPrevious(type: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_NO_PREVIOUS', { operation: 'go back in the policy', value: type, detail })
}

/** A list that is none is nothing to go back to. */
async function readGenerations(host: Host, type: string): Promise<readonly Generation[]> {
  return parseGenerations((await host.read(listFile(type))) ?? '[]')
}

/** Parses the list of generations; what has not its shape is left away. Pure. */
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
      return typeof boolean === 'string' && [before, after].every(isBooleanWish)
    })
  )
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function isBooleanWish(value: unknown): value is BooleanWish {
  return typeof value === 'boolean' || value === 'default'
}
