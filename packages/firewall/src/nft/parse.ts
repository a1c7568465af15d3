import { FirewallError } from '../errors.ts'
import type {
  Counter,
  Datatype,
  Element,
  Foreign,
  Json,
  KeyPart,
  ObservedChain,
  ObservedSet,
  ObservedTable,
} from './table.ts'

type Fields = { readonly [key: string]: Json }

const datatypes: readonly string[] = ['uid', 'inet_service', 'ipv4_addr', 'ipv6_addr'] satisfies Datatype[]

/**
 * Parses the output of `nft -j list table inet NAME`.
 *
 * ```json
 * {"nftables": [{"metainfo": {…}}, {"table": {"family": "inet", "name": "puppy", "handle": 1}},
 *   {"set": {"name": "own", "type": ["uid", "inet_service"], "flags": ["interval"], "elem": [{"concat": [10000, {"range": [10240, 10247]}]}]}},
 *   {"chain": {…}}, {"rule": {"chain": "output", "comment": "puppy:…", "expr": […]}}]}
 * ```
 *
 * A well-formed object that the library does not write becomes `foreign`.
 *
 * @throws FirewallError `FIREWALL_UNREADABLE` for a text that is not a listing of that table.
 */
export function parseListing(text: string, name: string): ObservedTable {
  const objects = objectsOf(text, name)
  const sets = new Map<string, ObservedSet>()
  const chains = new Map<string, ObservedChain>()
  const comments = new Map<string, (string | undefined)[]>()
  const found: Foreign[] = []
  let named = false
  for (const object of objects) {
    const [kind = '', fields] = Object.entries(object)[0] ?? []
    if (!isFields(fields)) throw unreadable(name, JSON.stringify(object), 'an object has no fields')
    if (kind === 'table') {
      named = true
      // A dormant table has no effect. nft 1.0.6 prints wrong values for flags, so only their presence is known.
      if ('flags' in fields) found.push({ kind: 'table', name, text: 'flags of the table, such as dormant' })
    } else if (kind === 'set' || kind === 'map') readSet(kind, fields, sets, found)
    else if (kind === 'chain') readChain(fields, chains, found)
    else if (kind === 'rule') readRule(fields, comments, found)
    else found.push(foreign(kind, fields['name']))
  }
  if (!named) throw unreadable(name, text, 'the listing does not contain the table')
  const filled = [...chains.values()].map((chain): [string, ObservedChain] => [
    chain.name,
    { ...chain, comments: comments.get(chain.name) ?? [] },
  ])
  return { name, sets, chains: new Map(filled), foreign: found, objects }
}

/** Returns a foreign object. Pure. */
export function foreign(kind: string, name: Json | undefined): Foreign {
  const known = typeof name === 'string' ? name : ''
  return { kind, name: known, text: `${kind} ${JSON.stringify(known)}` }
}

function objectsOf(text: string, name: string): readonly Fields[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw unreadable(name, text, 'the output of nft is not JSON', cause)
  }
  const list = isFields(value) ? value['nftables'] : undefined
  if (!Array.isArray(list)) throw unreadable(name, text, 'the output of nft has no list "nftables"')
  const objects: Fields[] = []
  for (const object of list as readonly Json[]) {
    if (!isFields(object)) {
      throw unreadable(name, JSON.stringify(object), 'the list "nftables" contains a value that is not an object')
    }
    if (!('metainfo' in object)) objects.push(object)
  }
  return objects
}

function readSet(kind: string, fields: Fields, sets: Map<string, ObservedSet>, found: Foreign[]): void {
  const { name, elem = [], stmt } = fields
  const flags = listOf(fields['flags'])
  const type = typeof fields['type'] === 'string' ? [fields['type']] : fields['type']
  const verdicts = fields['map'] === 'verdict'
  const known =
    typeof name === 'string' &&
    Array.isArray(type) &&
    type.every((word) => typeof word === 'string' && datatypes.includes(word)) &&
    Array.isArray(elem) &&
    flags.every((flag) => flag === 'interval') &&
    verdicts === (kind === 'map')
  if (!known) {
    found.push(foreign(kind, name))
    return
  }
  const statements = listOf(stmt)
  const counter = statements.length === 1 && isFields(statements[0]) && 'counter' in statements[0]
  const parsed = (elem as readonly Json[]).map((element) => parseElement(element, verdicts))
  const elements = parsed.filter((element) => element !== undefined)
  sets.set(name, {
    name,
    type: type as readonly Datatype[],
    interval: flags.length > 0,
    counter,
    verdicts,
    elements,
    foreign: parsed.length - elements.length,
  })
}

/** Returns a value as a list. Later versions of nft print one flag as a word, and several as a list. */
function listOf(json: Json | undefined): readonly Json[] {
  if (json === undefined) return []
  return Array.isArray(json) ? (json as readonly Json[]) : [json]
}

function readChain(fields: Fields, chains: Map<string, ObservedChain>, found: Foreign[]): void {
  const { name, type, hook, prio, policy } = fields
  if (typeof name !== 'string') {
    found.push(foreign('chain', name))
    return
  }
  if (hook === undefined) {
    chains.set(name, { name, comments: [] })
    return
  }
  if (type === 'filter' && policy === 'accept' && typeof prio === 'number' && (hook === 'input' || hook === 'output')) {
    chains.set(name, { name, base: { hook, priority: prio }, comments: [] })
  } else {
    found.push(foreign('chain', name))
  }
}

function readRule(fields: Fields, comments: Map<string, (string | undefined)[]>, found: Foreign[]): void {
  const { chain, comment } = fields
  if (typeof chain !== 'string') {
    found.push(foreign('rule', ''))
    return
  }
  const list = comments.get(chain) ?? []
  list.push(typeof comment === 'string' ? comment : undefined)
  comments.set(chain, list)
}

/**
 * Parses `7`, `{"range": …}` or `{"concat": […]}`, which may be inside `{"elem": {"val": …, "counter": …}}`. In a map, parses a pair of
 * this and a verdict.
 */
function parseElement(json: Json, verdicts: boolean): Element | undefined {
  if (verdicts) {
    if (!Array.isArray(json) || json.length !== 2) return undefined
    const [key, verdict] = json as readonly Json[]
    const parsed = parseElement(key ?? null, false)
    const target = isFields(verdict) && isFields(verdict['goto']) ? verdict['goto']['target'] : undefined
    return parsed === undefined || typeof target !== 'string' ? undefined : { ...parsed, goto: target }
  }
  if (!isFields(json) || !('elem' in json)) return parseKeyed(json)
  const { elem } = json
  if (!isFields(elem) || Object.keys(elem).some((word) => word !== 'val' && word !== 'counter')) return undefined
  const keyed = parseKeyed(elem['val'] ?? null)
  const counter = parseCounter(elem['counter'])
  return keyed === undefined || counter === undefined ? undefined : { ...keyed, counter }
}

function parseKeyed(json: Json): Element | undefined {
  const parts = isFields(json) && Array.isArray(json['concat']) ? (json['concat'] as readonly Json[]) : [json]
  const key = parts.map((part) => parsePart(part))
  return key.every((part) => part !== undefined) ? { key } : undefined
}

function parsePart(json: Json): KeyPart | undefined {
  if (typeof json === 'string') return json
  if (isWord(json)) return json
  if (!isFields(json) || Object.keys(json).length !== 1) return undefined
  const { range, prefix } = json
  if (Array.isArray(range) && range.length === 2) {
    const [first, last] = range as readonly Json[]
    return isWord(first) && isWord(last) ? { range: [first, last] } : undefined
  }
  if (!isFields(prefix)) return undefined
  const { addr, len } = prefix
  return typeof addr === 'string' && isWord(len) ? { prefix: { addr, len } } : undefined
}

function parseCounter(json: Json | undefined): Counter | undefined {
  if (!isFields(json)) return undefined
  const { packets, bytes } = json
  return isCount(packets) && isCount(bytes) ? { packets, bytes } : undefined
}

/** Accepts numbers above 2^53, although they are rounded: the error is less than one byte in 10^15. */
function isCount(json: Json | undefined): json is number {
  return typeof json === 'number' && Number.isInteger(json) && json >= 0
}

function isWord(json: Json | undefined): json is number {
  return isCount(json) && json < 2 ** 32
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(name: string, value: string, detail: string, cause?: unknown): FirewallError {
  const facts = { operation: 'read the table', target: name, value, detail }
  return new FirewallError('FIREWALL_UNREADABLE', cause === undefined ? facts : { ...facts, cause })
}
