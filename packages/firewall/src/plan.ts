import { renderElement, renderKey } from './nft/key.ts'
import {
  addChain,
  addElements,
  addRules,
  addSet,
  addTable,
  deleteElements,
  deleteTable,
  flushChain,
  renderComment,
} from './nft/render.ts'
import type {
  Chain,
  Element,
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
 * Sets change by element and chains are refilled only when their rules differ, so counters go on. A table that holds
 * something that is not ours, or a set or chain of another kind, is replaced whole in the same transaction, its counters
 * carried over.
 */
export function planTable(wanted: Table, observed: ObservedTable | undefined): TablePlan {
  if (observed === undefined) {
    return { changes: [change('table', 'add', { after: summary(wanted) })], commands: addTable(wanted) }
  }
  const strange = strangersOf(wanted, observed)
  if (strange.length > 0) {
    const changes = [change('table', 'replace', { before: few(strange), after: summary(wanted) })]
    return { changes, commands: [...deleteTable(wanted.name), ...addTable(carryCounters(wanted, observed))] }
  }
  const sets = wanted.sets.map((set) => planSet(wanted.name, set, observed.sets.get(set.name)))
  const chains = wanted.chains.map((chain) => planChain(wanted.name, chain, observed.chains.get(chain.name)))
  const parts = [...sets, ...chains]
  return {
    changes: parts.flatMap((part) => part.changes),
    commands: (['create', 'remove', 'fill', 'rules'] as const).flatMap((phase) => parts.flatMap((part) => part[phase])),
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
    const after = few(wanted.elements.map((element) => renderElement(element)))
    return {
      ...nothing,
      changes: [change(target, 'add', { after })],
      create: [addSet(table, wanted)],
      fill: addElements(table, wanted.name, wanted.elements),
    }
  }
  const missing = without(wanted.elements, observed.elements)
  const extra = without(observed.elements, wanted.elements)
  if (missing.length === 0 && extra.length === 0) return nothing
  const texts = {
    ...(extra.length === 0 ? {} : { before: few(extra.map((element) => renderElement(element))) }),
    ...(missing.length === 0 ? {} : { after: few(missing.map((element) => renderElement(element))) }),
  }
  const action = extra.length === 0 ? 'add' : missing.length === 0 ? 'remove' : 'change'
  return {
    ...nothing,
    changes: [change(target, action, texts)],
    remove: deleteElements(table, wanted.name, extra),
    fill: addElements(table, wanted.name, missing),
  }
}

function without(elements: readonly Element[], others: readonly Element[]): readonly Element[] {
  const known = new Set(others.map((element) => renderElement(element)))
  return elements.filter((element) => !known.has(renderElement(element)))
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
    rules: [flushChain(table, wanted.name), ...rules],
  }
}

/** Why the table cannot be changed piece by piece. */
function strangersOf(wanted: Table, observed: ObservedTable): readonly string[] {
  const sets = new Map(wanted.sets.map((set) => [set.name, set]))
  const chains = new Map(wanted.chains.map((chain) => [chain.name, chain]))
  return [
    ...observed.foreign,
    ...[...observed.sets.values()].flatMap((set) => {
      const ours = sets.get(set.name)
      if (ours === undefined || !sameKind(ours, set)) return [`set ${JSON.stringify(set.name)}`]
      return set.foreign > 0 ? [`${set.foreign} elements of set ${set.name}`] : []
    }),
    ...[...observed.chains.values()].flatMap((chain) => {
      const ours = chains.get(chain.name)
      const same =
        ours !== undefined && ours.base?.hook === chain.base?.hook && ours.base?.priority === chain.base?.priority
      return same ? [] : [`chain ${JSON.stringify(chain.name)}`]
    }),
  ]
}

function sameKind(one: NftSet, other: NftSet): boolean {
  const kind = ({ type, interval = false, counter = false, verdicts = false }: NftSet) =>
    JSON.stringify([type, interval, counter, verdicts])
  return kind(one) === kind(other)
}

function carryCounters(wanted: Table, observed: ObservedTable): Table {
  return {
    ...wanted,
    sets: wanted.sets.map((set) => {
      if (set.counter !== true) return set
      const before = observed.sets.get(set.name)?.elements ?? []
      const counters = new Map(before.map(({ key, counter }) => [renderKey(key), counter]))
      const elements = set.elements.map(({ key }) => {
        const counter = counters.get(renderKey(key))
        return counter === undefined ? { key } : { key, counter }
      })
      return { ...set, elements }
    }),
  }
}

function summary({ sets, chains }: Table): string {
  const rules = chains.reduce((total, chain) => total + chain.rules.length, 0)
  const elements = sets.reduce((total, set) => total + set.elements.length, 0)
  return `${chains.length} chains, ${rules} rules, ${sets.length} sets, ${elements} elements`
}

function few(texts: readonly string[]): string {
  const shown = texts.slice(0, 8).join(', ')
  return texts.length <= 8 ? shown : `${shown}, … (${texts.length})`
}

function change(
  target: string,
  action: FirewallChange['action'],
  texts: { readonly before?: string; readonly after?: string },
): FirewallChange {
  return { facility: 'firewall', target, action, ...texts }
}
