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

/** One planned difference between wanted and observed, as a value that can be shown before anything happens. */
export interface FirewallChange {
  readonly facility: 'firewall'
  /** `table`, `set NAME` or `chain NAME`. */
  readonly target: string
  readonly action: 'add' | 'change' | 'replace' | 'remove'
  readonly before?: string
  readonly after?: string
}

export interface TablePlan {
  /** Empty when the table is as it should be. */
  readonly changes: readonly FirewallChange[]
  /** The same as one transaction. */
  readonly commands: readonly NftCommand[]
}

/**
 * Plans how to turn the observed table into the wanted one.
 *
 * Sets change by element and chains are refilled only when their rules differ, so counters go on. What is in the table and is
 * not ours, or is a set or chain of another kind, is removed in the same transaction; then all rules are written anew.
 *
 * With `afresh` such a table is deleted whole, which nothing in it can prevent, and its counters begin at zero: nft 1.0.6 does
 * not take counters of elements by JSON.
 */
export function planTable(
  wanted: Table,
  observed: ObservedTable | undefined,
  options: { readonly afresh?: boolean } = {},
): TablePlan {
  if (observed === undefined) {
    return { changes: [change('table', 'add', { after: summary(wanted) })], commands: addTable(wanted) }
  }
  const strangers = strangersIn(wanted, observed)
  if (strangers.length === 0) return planPieces(wanted, observed)
  const changes = [
    change('table', 'replace', { before: few(strangers.map(({ text }) => text)), after: summary(wanted) }),
  ]
  if (options.afresh === true) return { changes, commands: [...deleteTable(wanted.name), ...addTable(wanted)] }
  const kept = withoutRules(observed, strangers)
  return { changes, commands: [...clearTable(observed, strangers), ...planPieces(wanted, kept).commands] }
}

function planPieces(wanted: Table, observed: ObservedTable): TablePlan {
  const sets = wanted.sets.map((set) => planSet(wanted.name, set, observed.sets.get(set.name)))
  const chains = wanted.chains.map((chain) => planChain(wanted.name, chain, observed.chains.get(chain.name)))
  const parts = [...sets, ...chains]
  return {
    changes: parts.flatMap((part) => part.changes),
    commands: (['create', 'remove', 'fill', 'rules'] as const).flatMap((phase) => parts.flatMap((part) => part[phase])),
  }
}

/** Takes out every rule and verdict, so that nothing refers to anything, and then the strangers. */
function clearTable({ name, sets }: ObservedTable, strangers: readonly Foreign[]): readonly NftCommand[] {
  const maps = [...sets.values()].filter((set) => set.verdicts === true)
  const foreignMaps = strangers.filter(({ kind, name: map }) => kind === 'map' && !maps.some((one) => one.name === map))
  return [
    flushTable(name),
    ...[...maps, ...foreignMaps].map((map) => flushSet(name, { name: map.name, verdicts: true })),
    ...strangers.filter(({ elements }) => elements === true).map((set) => flushSet(name, set)),
    ...strangers.filter(({ elements }) => elements !== true).map((stranger) => deleteObject(name, stranger)),
  ]
}

function withoutRules(observed: ObservedTable, strangers: readonly Foreign[]): ObservedTable {
  const gone = new Set(strangers.filter(({ elements }) => elements !== true).map(({ name }) => name))
  const emptied = new Set(strangers.filter(({ elements }) => elements === true).map(({ name }) => name))
  const sets = [...observed.sets].filter(([name]) => !gone.has(name))
  const chains = [...observed.chains].filter(([name]) => !gone.has(name))
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

/** Commands of one set or chain by when they must run: what refers to something comes after it. */
interface Part {
  readonly changes: readonly FirewallChange[]
  readonly create: readonly NftCommand[]
  readonly remove: readonly NftCommand[]
  readonly fill: readonly NftCommand[]
  readonly rules: readonly NftCommand[]
}

const nothing: Part = { changes: [], create: [], remove: [], fill: [], rules: [] }

function planSet(table: string, wanted: NftSet, observed: ObservedSet | undefined): Part {
  const target = `set ${wanted.name}`
  if (observed === undefined) {
    const after = fewElements(wanted.elements)
    return {
      ...nothing,
      changes: [change(target, 'add', { after })],
      create: [addSet(table, wanted)],
      fill: addElements(table, wanted.name, wanted.elements),
    }
  }
  const [here, there] = [byKey(wanted.elements), byKey(observed.elements)]
  const [missing, extra] = [without(here, there), without(there, here)]
  if (missing.length === 0 && extra.length === 0) return nothing
  const texts = {
    ...(extra.length === 0 ? {} : { before: fewElements(extra) }),
    ...(missing.length === 0 ? {} : { after: fewElements(missing) }),
  }
  const action = extra.length === 0 ? 'add' : missing.length === 0 ? 'remove' : 'change'
  return {
    ...nothing,
    changes: [change(target, action, texts)],
    remove: deleteElements(table, wanted.name, extra),
    fill: addElements(table, wanted.name, missing),
  }
}

function byKey(elements: readonly Element[]): ReadonlyMap<string, Element> {
  return new Map(elements.map((element) => [renderElement(element), element]))
}

function without(elements: ReadonlyMap<string, Element>, others: ReadonlyMap<string, Element>): readonly Element[] {
  return [...elements].flatMap(([key, element]) => (others.has(key) ? [] : [element]))
}

function planChain(table: string, wanted: Chain, observed: ObservedChain | undefined): Part {
  const target = `chain ${wanted.name}`
  const comments = wanted.rules.map((rule) => renderComment(rule))
  const rules = addRules(table, wanted)
  if (observed === undefined) {
    return {
      ...nothing,
      changes: [change(target, 'add', { after: few(comments) })],
      create: [addChain(table, wanted)],
      rules,
    }
  }
  const before = observed.comments.map((comment) => comment ?? 'a rule without comment')
  if (before.length === comments.length && before.every((comment, index) => comment === comments[index])) return nothing
  return {
    ...nothing,
    changes: [change(target, 'change', { before: few(before), after: few(comments) })],
    rules: before.length === 0 ? rules : [flushChain(table, wanted.name), ...rules],
  }
}

/** What keeps the table from being changed piece by piece. */
function strangersIn(wanted: Table, observed: ObservedTable): readonly Foreign[] {
  const sets = new Map(wanted.sets.map((set) => [set.name, set]))
  const chains = new Map(wanted.chains.map((chain) => [chain.name, chain]))
  return [
    ...observed.foreign,
    ...[...observed.sets.values()].flatMap((set): readonly Foreign[] => {
      const ours = sets.get(set.name)
      const kind = set.verdicts === true ? 'map' : 'set'
      if (ours === undefined || !sameKind(ours, set)) return [foreign(kind, set.name)]
      const text = `${set.foreign} elements of set ${set.name}`
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
  texts: { readonly before?: string; readonly after?: string },
): FirewallChange {
  return { facility: 'firewall', target, action, ...texts }
}
