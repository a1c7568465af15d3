import type { FakeProgram } from '@puppy/host/fake'
import type { Counter, Json } from './nft/table.ts'

/** An nft in memory, for the `programs` of a fake host. */
export interface FakeNft {
  /** `createFakeHost({ programs: { '/usr/sbin/nft': nft.program } })` */
  readonly program: FakeProgram
  /** Runs commands of libnftables-json(5) as another program would. Throws an error with the text that nft would print. */
  run(...commands: readonly Json[]): void
  /** Removes all tables, as `nft flush ruleset` does. */
  flushRuleset(): void
  /** Sets the counter of an element in a set with counters. */
  count(table: string, set: string, key: number, counter: Counter): void
}

type Fields = { readonly [key: string]: Json }

interface FakeTable {
  /** Sets, maps and other named objects by name, with their kind and their elements by JSON. */
  readonly objects: Map<
    string,
    { readonly kind: string; readonly fields: Fields; readonly elements: Map<string, Json> }
  >
  readonly chains: Map<string, { readonly fields: Fields; rules: Fields[] }>
}

type Tables = Map<string, FakeTable>

/**
 * Creates an nft in memory. It stores objects. It refuses an object that refers to a missing object, and the deletion of an object in
 * use. No packet passes it, so it cannot prove the effect of a rule. It passes the same conformance suite as the real nft.
 */
export function createFakeNft(options: { readonly version?: string } = {}): FakeNft {
  let tables: Tables = new Map()
  const counters = new Map<string, Counter>()
  const transact = (commands: readonly Json[], check: boolean) => {
    const copy = copyOf(tables)
    for (const command of commands) apply(copy, command)
    assertWhole(copy)
    if (!check) tables = copy
  }
  const program: FakeProgram = async ({ args, host }) => {
    if (args[0] === '--version') return { stdout: `nftables v${options.version ?? '1.0.6'} (fake)\n` }
    const words = args.filter((word) => word !== '-j' && word !== '-c')
    if (words[0] === 'list') return list(tables, counters, words)
    if (words[0] !== '-f') return refusal('syntax error')
    try {
      const { nftables } = JSON.parse((await host.read(words[1] ?? '')) ?? '') as { readonly nftables: readonly Json[] }
      transact(nftables, args.includes('-c'))
      return {}
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error))
    }
  }
  return Object.freeze<FakeNft>({
    program,
    run: (...commands) => transact(commands, false),
    flushRuleset: () => {
      tables = new Map()
      counters.clear()
    },
    count: (table, set, key, counter) => void counters.set(`${table} ${set} ${key}`, counter),
  })
}

function refusal(message: string) {
  return { exitCode: 1, stderr: `Error: ${message}\n` }
}

const absent = 'Could not process rule: No such file or directory'
const busy = 'Could not process rule: Device or resource busy'

function copyOf(tables: Tables): Tables {
  return new Map(
    [...tables].map(([name, { objects, chains }]) => [
      name,
      {
        objects: new Map([...objects].map(([key, one]) => [key, { ...one, elements: new Map(one.elements) }])),
        chains: new Map([...chains].map(([key, { fields, rules }]) => [key, { fields, rules: [...rules] }])),
      },
    ]),
  )
}

function apply(tables: Tables, command: Json): void {
  const [verb = '', body] = Object.entries(command as Fields)[0] ?? []
  const [kind = '', given] = Object.entries(body as Fields)[0] ?? []
  const fields = given as Fields
  if (kind === 'table') applyTable(tables, verb, word(fields['name']))
  else applyInside(tables.get(word(fields['table'])) ?? fail(absent), verb, kind, fields)
}

function applyTable(tables: Tables, verb: string, name: string): void {
  if (verb === 'add') {
    if (!tables.has(name)) tables.set(name, { objects: new Map(), chains: new Map() })
  } else if (!tables.has(name)) fail(absent)
  else if (verb === 'delete') tables.delete(name)
  else for (const chain of tables.get(name)?.chains.values() ?? []) chain.rules = []
}

function applyInside({ objects, chains }: FakeTable, verb: string, kind: string, fields: Fields): void {
  const name = word(fields['name'])
  if (kind === 'rule') {
    const chain = chains.get(word(fields['chain'])) ?? fail(absent)
    chain.rules.push(fields)
  } else if (kind === 'chain') {
    if (verb === 'add') {
      if (!chains.has(name)) chains.set(name, { fields, rules: [] })
    } else if (verb === 'flush') (chains.get(name) ?? fail(absent)).rules = []
    else if (!chains.delete(name)) fail(absent)
  } else if (kind === 'element') {
    applyElements(objects.get(name)?.elements ?? fail(absent), verb, fields['elem'] as readonly Json[])
  } else if (verb === 'add') {
    if (!objects.has(name)) objects.set(name, { kind, fields, elements: new Map() })
  } else if (verb === 'flush') (objects.get(name)?.elements ?? fail(absent)).clear()
  else if (!objects.delete(name)) fail(absent)
}

function applyElements(elements: Map<string, Json>, verb: string, given: readonly Json[]): void {
  for (const one of given) {
    // nft 1.0.6 ignores the counter of an element in JSON. This fake does so too.
    const element =
      one !== null && typeof one === 'object' && 'elem' in one ? ((one['elem'] as Fields)['val'] ?? null) : one
    const key = JSON.stringify(Array.isArray(element) ? element[0] : element)
    if (verb === 'add') elements.set(key, element)
    else if (!elements.delete(key)) fail(absent)
  }
}

/** Throws for a rule or verdict whose target does not exist. The kernel refuses such a transaction. */
function assertWhole(tables: Tables): void {
  for (const { objects, chains } of tables.values()) {
    const verdicts = [...objects.values()].flatMap(({ elements }) => [...elements.values()])
    const text = JSON.stringify([
      [...chains.values()].map(({ rules }) => rules.map(({ expr }) => expr ?? null)),
      verdicts,
    ])
    for (const [, target = ''] of text.matchAll(/"target":"([^"]+)"/g)) if (!chains.has(target)) fail(busy)
    for (const [, set = ''] of text.matchAll(/"@([^"]+)"/g)) if (!objects.has(set)) fail(absent)
  }
}

function list(tables: Tables, counters: ReadonlyMap<string, Counter>, words: readonly string[]) {
  const print = (objects: readonly Json[]) => ({
    stdout: JSON.stringify({ nftables: [{ metainfo: { json_schema_version: 1 } }, ...objects] }),
  })
  const family = 'inet'
  if (words[1] === 'tables') return print([...tables.keys()].map((name) => ({ table: { family, name, handle: 1 } })))
  const name = words[3] ?? ''
  const table = tables.get(name)
  if (table === undefined) return refusal('No such file or directory')
  return print([
    { table: { family, name, handle: 1 } },
    ...[...table.objects.values()].map(({ kind, fields, elements }) => {
      const counted = (element: Json): Json => {
        const counter = counters.get(`${name} ${word(fields['name'])} ${JSON.stringify(element)}`) ?? {
          packets: 0,
          bytes: 0,
        }
        return { elem: { val: element, counter: { packets: counter.packets, bytes: counter.bytes } } }
      }
      const elem = [...elements.values()].map((element) => ('stmt' in fields ? counted(element) : element))
      return { [kind]: elem.length === 0 ? fields : { ...fields, elem } }
    }),
    ...[...table.chains.values()].map(({ fields }) => ({ chain: fields })),
    ...[...table.chains.values()].flatMap(({ rules }) => rules.map((rule) => ({ rule }))),
  ])
}

function word(json: Json | undefined): string {
  return typeof json === 'string' ? json : ''
}

function fail(message: string): never {
  throw new Error(message)
}
