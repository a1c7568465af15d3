import type { Change, ChangeSet } from '@puppy/host'
import type { FirewallError } from './errors.ts'
import { renderElement } from './nft/key.ts'
import {
  addChain,
  addElements,
  addRules,
  addSet,
  addTable,
  deleteElements,
  deleteObject,
  deleteTable,
  flushChain,
  flushSet,
  flushTable,
  renderComment,
} from './nft/render.ts'
import { foreign } from './nft/parse.ts'
import type {
  Chain,
  Element,
  Foreign,
  NftCommand,
  NftSet,
  ObservedChain,
  ObservedSet,
  ObservedTable,
  Table,
} from './nft/table.ts'
import { tableOf } from './rules/table.ts'
import type { FirewallSpec } from './spec.ts'

/** The name of the table when the caller passes none. */
export const defaultTable = 'puppy'

/** A set, a chain or the whole table that differs from the spec. */
export interface FirewallChange extends Change {
  readonly facility: 'firewall'
  /** `table`, `set NAME` or `chain NAME`. */
  readonly target: string
  readonly action: 'add' | 'change' | 'replace' | 'remove'
}

/**
 * The changes of a table, and the one transaction that performs them. `refused` is always empty: a spec is accepted or refused as a
 * whole.
 */
export interface FirewallChangeSet extends ChangeSet<FirewallChange, FirewallError> {
  /** The commands of the transaction. Empty when `changes` is empty. */
  readonly commands: readonly NftCommand[]
  /** The table after the transaction. */
  readonly table: Table
  /** The observed table for which the transaction was planned. */
  readonly observed: ObservedTable | undefined
}

export interface PlanOptions {
  /** The name of the table. Default `puppy`. */
  readonly table?: string
}

/**
 * Plans the changes that make the observed table match a spec. Pure.
 *
 * Sets change by element, and a chain is filled again only when its rules differ. Therefore counters keep their values. The same
 * transaction removes foreign objects in the table, and sets and chains of another kind; it then writes all rules again.
 *
 * @throws FirewallError `FIREWALL_INVALID` for an invalid spec or table name
 */
export function planFirewall(
  spec: FirewallSpec,
  observed: ObservedTable | undefined,
  { table: name = defaultTable }: PlanOptions = {},
): FirewallChangeSet {
  const table = tableOf(name, spec)
  return { ...planTable(table, observed), refused: [], table, observed }
}

/**
 * Plans the changes that make the observed table equal to another one. Pure.
 *
 * Foreign objects are deleted. The kernel refuses this when one of them is in use. With `recreate`, and when the observed table has
 * flags, the whole table is deleted and created again. This succeeds even when an object is in use, but counters start at zero.
 */
export function planTable(
  table: Table,
  observed: ObservedTable | undefined,
  { recreate = false }: { readonly recreate?: boolean } = {},
): Pick<FirewallChangeSet, 'changes' | 'commands'> {
  if (observed === undefined) {
    return { changes: [change('table', 'add', { after: summary(table) })], commands: addTable(table) }
  }
  const found = foreignIn(table, observed)
  if (found.length === 0) return planPieces(table, observed)
  const changes = [change('table', 'replace', { before: few(found.map(({ text }) => text)), after: summary(table) })]
  // nft 1.0.6 ignores counters of elements in JSON, so they cannot be restored.
  if (recreate || found.some(({ kind }) => kind === 'table'))
    return { changes, commands: [...deleteTable(table.name), ...addTable(table)] }
  const kept = withoutRules(observed, found)
  return { changes, commands: [...clearTable(observed, found), ...planPieces(table, kept).commands] }
}

function planPieces(table: Table, observed: ObservedTable): Pick<FirewallChangeSet, 'changes' | 'commands'> {
  const sets = table.sets.map((set) => planSet(table.name, set, observed.sets.get(set.name)))
  const chains = table.chains.map((chain) => planChain(table.name, chain, observed.chains.get(chain.name)))
  const parts = [...sets, ...chains]
  return {
    changes: parts.flatMap((part) => part.changes),
    commands: (['create', 'remove', 'fill', 'rules'] as const).flatMap((phase) => parts.flatMap((part) => part[phase])),
  }
}

/** Returns commands that first remove every rule and verdict, so that no object is in use, and then the foreign objects. */
function clearTable({ name, sets }: ObservedTable, found: readonly Foreign[]): readonly NftCommand[] {
  const maps = [...sets.values()].filter((set) => set.verdicts === true)
  const foreignMaps = found.filter(({ kind, name: map }) => kind === 'map' && !maps.some((one) => one.name === map))
  return [
    flushTable(name),
    ...[...maps, ...foreignMaps].map((map) => flushSet(name, { name: map.name, verdicts: true })),
    ...found.filter(({ elements }) => elements === true).map((set) => flushSet(name, set)),
    ...found.filter(({ elements }) => elements !== true).map((object) => deleteObject(name, object)),
  ]
}

function withoutRules(observed: ObservedTable, found: readonly Foreign[]): ObservedTable {
  const deleted = new Set(found.filter(({ elements }) => elements !== true).map(({ name }) => name))
  const emptied = new Set(found.filter(({ elements }) => elements === true).map(({ name }) => name))
  const sets = [...observed.sets].filter(([name]) => !deleted.has(name))
  const chains = [...observed.chains].filter(([name]) => !deleted.has(name))
  return {
    ...observed,
    foreign: [],
    sets: new Map(
      sets.map(([name, set]) => {
        const empty = emptied.has(name) || set.verdicts === true
        return [name, empty ? { ...set, elements: [], foreign: 0 } : set]
      }),
    ),
    chains: new Map(chains.map(([name, chain]) => [name, { ...chain, comments: [] }])),
  }
}

/** The commands of one set or chain by phase. A command that refers to an object runs after the command that creates it. */
interface Part {
  readonly changes: readonly FirewallChange[]
  readonly create: readonly NftCommand[]
  readonly remove: readonly NftCommand[]
  readonly fill: readonly NftCommand[]
  readonly rules: readonly NftCommand[]
}

const nothing: Part = { changes: [], create: [], remove: [], fill: [], rules: [] }

/** Returns the targets of a table: itself, its sets and its chains. */
export function targetsOf({ sets, chains }: Table): readonly string[] {
  return ['table', ...sets.map((set) => targetOfSet(set)), ...chains.map((chain) => targetOfChain(chain))]
}

function targetOfSet({ name }: NftSet): string {
  return `set ${name}`
}

function targetOfChain({ name }: Chain): string {
  return `chain ${name}`
}

function planSet(table: string, set: NftSet, observed: ObservedSet | undefined): Part {
  const target = targetOfSet(set)
  if (observed === undefined) {
    const after = fewElements(set.elements)
    return {
      ...nothing,
      changes: [change(target, 'add', { after })],
      create: [addSet(table, set)],
      fill: addElements(table, set.name, set.elements),
    }
  }
  const [specified, present] = [byKey(set.elements), byKey(observed.elements)]
  const [missing, extra] = [without(specified, present), without(present, specified)]
  if (missing.length === 0 && extra.length === 0) return nothing
  const texts = {
    ...(extra.length === 0 ? {} : { before: fewElements(extra) }),
    ...(missing.length === 0 ? {} : { after: fewElements(missing) }),
  }
  const action = extra.length === 0 ? 'add' : missing.length === 0 ? 'remove' : 'change'
  return {
    ...nothing,
    changes: [change(target, action, texts)],
    remove: deleteElements(table, set.name, extra),
    fill: addElements(table, set.name, missing),
  }
}

function byKey(elements: readonly Element[]): ReadonlyMap<string, Element> {
  return new Map(elements.map((element) => [renderElement(element), element]))
}

function without(elements: ReadonlyMap<string, Element>, others: ReadonlyMap<string, Element>): readonly Element[] {
  return [...elements].flatMap(([key, element]) => (others.has(key) ? [] : [element]))
}

function planChain(table: string, chain: Chain, observed: ObservedChain | undefined): Part {
  const target = targetOfChain(chain)
  const comments = chain.rules.map((rule) => renderComment(rule))
  const rules = addRules(table, chain)
  if (observed === undefined) {
    return {
      ...nothing,
      changes: [change(target, 'add', { after: few(comments) })],
      create: [addChain(table, chain)],
      rules,
    }
  }
  const before = observed.comments.map((comment) => comment ?? 'a rule without comment')
  if (before.length === comments.length && before.every((comment, index) => comment === comments[index])) return nothing
  return {
    ...nothing,
    changes: [change(target, 'change', { before: few(before), after: few(comments) })],
    rules: before.length === 0 ? rules : [flushChain(table, chain.name), ...rules],
  }
}

/** Returns the objects and elements because of which the table cannot be changed piece by piece. */
function foreignIn(table: Table, observed: ObservedTable): readonly Foreign[] {
  const sets = new Map(table.sets.map((set) => [set.name, set]))
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]))
  return [
    ...observed.foreign,
    ...[...observed.sets.values()].flatMap((set): readonly Foreign[] => {
      const ours = sets.get(set.name)
      const kind = set.verdicts === true ? 'map' : 'set'
      if (ours === undefined || !sameKind(ours, set)) return [foreign(kind, set.name)]
      const text = `${set.foreign} foreign elements of set ${set.name}`
      return set.foreign > 0 ? [{ kind, name: set.name, text, elements: true }] : []
    }),
    ...[...observed.chains.values()].flatMap((chain): readonly Foreign[] => {
      const ours = chains.get(chain.name)
      const same =
        ours !== undefined && ours.base?.hook === chain.base?.hook && ours.base?.priority === chain.base?.priority
      return same ? [] : [foreign('chain', chain.name)]
    }),
  ]
}

function sameKind(one: NftSet, other: NftSet): boolean {
  const kind = ({ type, interval = false, counter = false, verdicts = false }: NftSet) =>
    JSON.stringify([type, interval, counter, verdicts])
  return kind(one) === kind(other)
}

function summary({ sets, chains }: Table): string {
  const rules = chains.reduce((total, chain) => total + chain.rules.length, 0)
  const elements = sets.reduce((total, set) => total + set.elements.length, 0)
  return `${chains.length} chains, ${rules} rules, ${sets.length} sets, ${elements} elements`
}

const shown = 8

function few(texts: readonly string[]): string {
  return fewOf(texts.slice(0, shown), texts.length)
}

function fewElements(elements: readonly Element[]): string {
  return fewOf(
    elements.slice(0, shown).map((element) => renderElement(element)),
    elements.length,
  )
}

function fewOf(texts: readonly string[], count: number): string {
  return count <= shown ? texts.join(', ') : `${texts.join(', ')}, … (${count})`
}

function change(
  target: string,
  action: FirewallChange['action'],
  texts: Pick<FirewallChange, 'before' | 'after'>,
): FirewallChange {
  return { facility: 'firewall', target, action, ...texts }
}
