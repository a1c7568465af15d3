import { createHash } from 'node:crypto'
import { FirewallError } from '../errors.ts'
import type { Base, Chain, Element, Foreign, Json, KeyPart, NftCommand, NftSet, Rule, Table } from './table.ts'

export const family = 'inet'

/** nft accepts 128 bytes of comment and a NUL. */
const maxComment = 127

/** Renders a transaction as JSON for `nft -j -f FILE`. The kernel applies all of its commands or none. */
export function renderCommands(commands: readonly NftCommand[]): string {
  return JSON.stringify({ nftables: commands })
}

/**
 * Returns the commands that create a table: first sets, then chains, then the elements and rules that refer to both.
 *
 * @throws FirewallError `FIREWALL_INVALID` for a name, number or comment that nft does not accept.
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

/** Returns the commands that delete a table, whether it exists or not. `destroy` would need nft 1.0.8 and Linux 6.3. */
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
 * Splits elements into groups, one for each command.
 *
 * The elements of one command go to the kernel in messages of 64 KB. When a message is full, nft 1.0.6 writes the next element a second
 * time and swaps the bytes of a uid in a concatenation: of 2,816 slots, one belonged to uid 741212160 instead of 11820. A command that
 * fits one message is never split. All commands are still one transaction.
 */
export function inMessages<Item>(elements: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(elements.length / perMessage) }, (_, index) =>
    elements.slice(index * perMessage, (index + 1) * perMessage),
  )
}

/** Elements of one command. An element takes up to 100 bytes. */
const perMessage = 500

export function addRules(table: string, chain: Chain): readonly NftCommand[] {
  return chain.rules.map((rule) => ({
    add: { rule: { family, table, chain: chain.name, comment: renderComment(rule), expr: rule.statements } },
  }))
}

/** Returns the command that removes every rule of the table. */
export function flushTable(name: string): NftCommand {
  return { flush: { table: { family, name } } }
}

export function flushSet(table: string, { name, verdicts }: Pick<NftSet, 'name' | 'verdicts'>): NftCommand {
  return { flush: { [verdicts === true ? 'map' : 'set']: { family, table, name } } }
}

/** Returns the command that deletes an object of any kind. `kind` is the word under which nft lists the object. */
export function deleteObject(table: string, { kind, name }: Pick<Foreign, 'kind' | 'name'>): NftCommand {
  return { delete: { [kind]: { family, table, name } } }
}

export function flushChain(table: string, name: string): NftCommand {
  return { flush: { chain: { family, table, name } } }
}

/**
 * Renders the comment that identifies a rule: its name and a digest of its statements. Rules themselves are not compared, because nft
 * prints them in its own words, which change with its version.
 */
export function renderComment({ name, statements }: Rule): string {
  const digest = createHash('sha256').update(JSON.stringify(statements)).digest('hex').slice(0, 12)
  const comment = `puppy:${name}:${digest}`
  if (/^[\x20-\x7e]+$/.test(comment) && !comment.includes('"') && comment.length <= maxComment) return comment
  throw new FirewallError('FIREWALL_INVALID', {
    operation: 'render the comment',
    value: comment,
    detail: `a comment has 1 to ${maxComment} printable ASCII characters and no double quote`,
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
  throw new FirewallError('FIREWALL_INVALID', {
    operation: 'render the element',
    value: String(value),
    detail: 'a number in a key is a whole number from 0 to 4294967295',
  })
}

/** Checks a name. @throws FirewallError `FIREWALL_INVALID` for a name that is not one word in nft's grammar. */
export function assertName(kind: string, name: string): void {
  if (/^[a-zA-Z][a-zA-Z0-9_-]{0,62}$/.test(name)) return
  const detail = 'a name begins with a letter and has up to 63 letters, digits, _ or -'
  throw new FirewallError('FIREWALL_INVALID', { operation: `use the name of a ${kind}`, value: name, detail })
}
