import { createHash } from 'node:crypto'
import { FirewallError } from '../errors.ts'
import type { Base, Chain, Element, Foreign, Json, KeyPart, NftCommand, NftSet, Rule, Table } from './table.ts'

export const family = 'inet'

/** nft takes 128 bytes of comment and a NUL. */
const maxComment = 127

/** Renders a transaction as the JSON that `nft -j -f -` reads. The kernel takes all of it or nothing. */
export function renderCommands(commands: readonly NftCommand[]): string {
  return JSON.stringify({ nftables: commands })
}

/**
 * Renders a table from nothing: sets, then chains, then what refers to both.
 *
 * @throws FirewallError `FIREWALL_INVALID` for what nft could not represent.
 */
export function addTable(table: Table): readonly NftCommand[] {
  assertName('table', table.name)
  return [
    { add: { table: { family, name: table.name } } },
    ...table.sets.map((set) => addSet(table.name, set)),
    ...table.chains.map((chain) => addChain(table.name, chain)),
    ...table.sets.flatMap((set) => addElements(table.name, set.name, set.elements)),
    ...table.chains.flatMap((chain) => addRules(table.name, chain)),
  ]
}

/** Deletes a table, whether it exists or not: `destroy` needs nft 1.0.8 and Linux 6.3. */
export function deleteTable(name: string): readonly NftCommand[] {
  assertName('table', name)
  return [{ add: { table: { family, name } } }, { delete: { table: { family, name } } }]
}

export function addSet(table: string, set: NftSet): NftCommand {
  assertName('set', set.name)
  const body = {
    family,
    table,
    name: set.name,
    type: set.type.length === 1 ? (set.type[0] as string) : [...set.type],
    ...(set.verdicts === true ? { map: 'verdict' } : {}),
    ...(set.interval === true ? { flags: ['interval'] } : {}),
    ...(set.counter === true ? { stmt: [{ counter: null }] } : {}),
  }
  return { add: set.verdicts === true ? { map: body } : { set: body } }
}

export function addChain(table: string, { name, base }: Chain): NftCommand {
  assertName('chain', name)
  return { add: { chain: { family, table, name, ...(base === undefined ? {} : renderBase(base)) } } }
}

function renderBase({ hook, priority }: Base): { readonly [key: string]: Json } {
  return { type: 'filter', hook, prio: priority, policy: 'accept' }
}

export function addElements(table: string, name: string, elements: readonly Element[]): readonly NftCommand[] {
  return inMessages(elements).map((some) => ({
    add: { element: { family, table, name, elem: some.map((element) => renderElementJson(element)) } },
  }))
}

export function deleteElements(table: string, name: string, elements: readonly Element[]): readonly NftCommand[] {
  return inMessages(elements).map((some) => ({
    delete: { element: { family, table, name, elem: some.map(({ key }) => renderKeyJson(key)) } },
  }))
}

/**
 * Splits elements among commands. Elements of one command go to the kernel in messages of 64 KB. When a message is full, nft 1.0.6 writes
 * the next element a second time, and swaps the bytes of a uid in a concatenation with it: of 2,816 slots, one belonged to uid
 * 741212160 instead of 11820. Commands that fit one message are never split. All of them are still one transaction.
 */
export function inMessages<Item>(elements: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(elements.length / perMessage) }, (_, index) =>
    elements.slice(index * perMessage, (index + 1) * perMessage),
  )
}

/** An element takes up to 100 bytes. */
const perMessage = 500

export function addRules(table: string, chain: Chain): readonly NftCommand[] {
  return chain.rules.map((rule) => ({
    add: { rule: { family, table, chain: chain.name, comment: renderComment(rule), expr: rule.statements } },
  }))
}

/** Removes every rule of the table. */
export function flushTable(name: string): NftCommand {
  return { flush: { table: { family, name } } }
}

export function flushSet(table: string, { name, verdicts }: Pick<NftSet, 'name' | 'verdicts'>): NftCommand {
  return { flush: { [verdicts === true ? 'map' : 'set']: { family, table, name } } }
}

/** Deletes an object of any kind, by the name under which nft lists it. */
export function deleteObject(table: string, { kind, name }: Pick<Foreign, 'kind' | 'name'>): NftCommand {
  return { delete: { [kind]: { family, table, name } } }
}

export function flushChain(table: string, name: string): NftCommand {
  return { flush: { chain: { family, table, name } } }
}

/**
 * Renders what a rule is recognised by: its name and a digest of what it does. nft prints rules in its own words, which change with
 * its version, so rules themselves are not compared.
 */
export function renderComment({ name, statements }: Rule): string {
  const digest = createHash('sha256').update(JSON.stringify(statements)).digest('hex').slice(0, 12)
  const comment = `puppy:${name}:${digest}`
  if (/^[\x20-\x7e]+$/.test(comment) && !comment.includes('"') && comment.length <= maxComment) return comment
  throw new FirewallError('FIREWALL_INVALID', {
    operation: 'write the comment',
    value: comment,
    detail: `nft takes 1 to ${maxComment} printable characters without quotes`,
  })
}

function renderElementJson({ key, goto }: Element): Json {
  const rendered = renderKeyJson(key)
  return goto === undefined ? rendered : [rendered, { goto: { target: goto } }]
}

function renderKeyJson(key: readonly KeyPart[]): Json {
  const parts = key.map((part) => renderPartJson(part))
  return parts.length === 1 ? (parts[0] as Json) : { concat: parts }
}

function renderPartJson(part: KeyPart): Json {
  if (typeof part === 'number') return numberOf(part)
  if (typeof part === 'string') return part
  if ('prefix' in part) return { prefix: { addr: part.prefix.addr, len: numberOf(part.prefix.len) } }
  const [first, last] = part.range
  return first === last ? numberOf(first) : { range: [numberOf(first), numberOf(last)] }
}

function numberOf(value: number): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value
  throw new FirewallError('FIREWALL_INVALID', { operation: 'write the element', value: String(value) })
}

/** Checks a name. @throws FirewallError `FIREWALL_INVALID` for a name that nft's grammar would not take as one word. */
export function assertName(kind: string, name: string): void {
  if (/^[a-zA-Z][a-zA-Z0-9_-]{0,62}$/.test(name)) return
  const detail = 'a name begins with a letter and has up to 63 letters, digits, _ or -'
  throw new FirewallError('FIREWALL_INVALID', { operation: `name a ${kind}`, value: name, detail })
}
