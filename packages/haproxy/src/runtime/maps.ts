import type { EffectOptions } from '@puppy/host'
import { encodeCliPayload, encodeMapRow, isPlainKey } from '../encode.ts'
import { HaproxyError } from '../errors.ts'
import type { Runtime } from './socket.ts'

/** A row of a map. */
export interface MapRow {
  readonly key: string
  readonly value: string
}

/** A row of a map of the running worker. */
export interface RunningRow extends MapRow {
  /** The name of the row in this worker: `#0x55f73bbef6e0`. It differs after each reload. */
  readonly reference: string
}

/** A map of the running worker. */
export interface MapStatus {
  readonly name: string
  /** The version that lookups use, and the last version that was prepared. */
  readonly current: number
  readonly prepared: number
  /** How many rows all versions have together. */
  readonly entries: number
}

/**
 * Parses the reply to `show map`.
 *
 * ```
 * # id (file) description
 * 2 (hosts.map) pattern loaded from file … line 30. curr_ver=0 next_ver=1 entry_cnt=5
 * ```
 */
export function parseMapList(text: string): readonly MapStatus[] {
  return text.split('\n').flatMap((line) => {
    const parts = /^-?[0-9]+ \(([^)]*)\) [^=]*curr_ver=([0-9]+) next_ver=([0-9]+) entry_cnt=([0-9]+)$/.exec(line)
    if (parts === null) return []
    const [, name = '', current, prepared, entries] = parts
    return [{ name, current: Number(current), prepared: Number(prepared), entries: Number(entries) }]
  })
}

/**
 * Parses the reply to `show map <name>`. A line is a reference, a key and a value: `0x55f73bbef6e0 a.test 10240`.
 *
 * HAProxy does not escape keys. A key with a space, which only the runtime socket can add, is returned as a shorter key and a longer value.
 *
 * @throws HaproxyError `HAPROXY_REPLY_UNKNOWN` for any other line.
 */
export function parseMapRows(text: string): readonly RunningRow[] {
  if (text === '') return []
  return text.split('\n').map((line) => {
    const parts = /^(0x[0-9a-f]+) ([^ ]*)(?: ([^]*))?$/.exec(line)
    if (parts !== null) return { key: parts[2] ?? '', value: parts[3] ?? '', reference: `#${parts[1]}` }
    throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation: 'parse the reply to show map', value: line })
  })
}

/** Reads the rows of a running map that lookups use now. @throws HaproxyError as `Runtime.send` */
export async function readMap(
  runtime: Runtime,
  name: string,
  options: EffectOptions = {},
): Promise<readonly RunningRow[]> {
  return parseMapRows(await runtime.send(['show', 'map', name], options))
}

/** The smallest difference between a running map and its spec. */
export interface MapDifference {
  readonly add: readonly MapRow[]
  readonly set: readonly MapRow[]
  /** Keys, and the references of rows that a key does not name: `#0x55f73bbef6e0`. */
  readonly remove: readonly string[]
}

/**
 * Plans the difference between the rows of a map and its spec. Pure.
 *
 * Rows of a key that occurs twice are removed by their references after the right row was added, because a command with the key would
 * change all of them. The same applies to a row whose key another program chose and a command cannot name: one with a space, with `<<`, or
 * with bytes that are not UTF-8.
 */
export function planMap(spec: readonly MapRow[], seen: readonly RunningRow[]): MapDifference {
  const before = Map.groupBy(seen, ({ key }) => key)
  const after = Map.groupBy(spec, ({ key }) => key)
  const [add, set, remove]: [MapRow[], MapRow[], string[]] = [[], [], []]
  for (const [key, rows] of after) {
    const old = before.get(key) ?? []
    if (sameValues(old, rows)) continue
    const only = old.length === 1 && rows.length === 1 && isNamed(old[0])
    if (only) set.push(...rows)
    else {
      add.push(...rows)
      remove.push(...old.map(({ reference }) => reference))
    }
  }
  for (const [key, rows] of before) {
    if (after.has(key)) continue
    remove.push(...(rows.length === 1 && isNamed(rows[0]) ? [key] : rows.map(({ reference }) => reference)))
  }
  return { add, set, remove }
}

function sameValues(one: readonly MapRow[], other: readonly MapRow[]): boolean {
  return one.length === other.length && one.every(({ value }, n) => value === other[n]?.value)
}

/** Returns whether a command with the key of a row means this row. A value with a space may be the rest of the key. */
function isNamed(row: MapRow | undefined): boolean {
  return row !== undefined && isPlainKey(row.key) && !row.value.includes(' ')
}

/** With more changed rows than this, the whole map is replaced at once. */
const replaceAbove = 200

/**
 * Changes a running map so that it contains exactly these rows.
 *
 * Sends a small difference row by row. Prepares a large one as a new version, counts its rows and then commits it, so that a lookup uses
 * either the old rows or the new rows. A version that a killed process prepared is never used, and the next commit deletes it. The
 * caller reads back with `readMap`.
 *
 * @throws HaproxyError as `Runtime.send`; `HAPROXY_READBACK_DIFFERS` when the prepared version does not have as many rows as were
 *   sent. That version is then deleted and not committed.
 */
export async function applyMap(
  runtime: Runtime,
  name: string,
  spec: readonly MapRow[],
  seen: readonly RunningRow[],
  options: EffectOptions = {},
): Promise<void> {
  const difference = planMap(spec, seen)
  const size = difference.add.length + difference.set.length + difference.remove.length
  if (size === 0) return
  if (size > replaceAbove) await replaceMap(runtime, name, spec, options)
  else await patchMap(runtime, name, difference, options)
}

async function patchMap(
  runtime: Runtime,
  name: string,
  { add, set, remove }: MapDifference,
  options: EffectOptions,
): Promise<void> {
  // First the new rows: a lookup finds either the old row of a key or the new one.
  await addRows(runtime, ['add', 'map', name], add, options)
  await runtime.sendMany(
    [
      ...set.map(({ key, value }) => ['set', 'map', name, key, value]),
      ...remove.map((key) => ['del', 'map', name, key]),
    ],
    options,
  )
}

/** Replaces all rows of a running map at once. @throws HaproxyError as `applyMap` */
export async function replaceMap(
  runtime: Runtime,
  name: string,
  rows: readonly MapRow[],
  options: EffectOptions = {},
): Promise<void> {
  const version = await prepareMap(runtime, name, options)
  await addRows(runtime, ['add', 'map', version, name], rows, options)
  const prepared = parseMapRows(await runtime.send(['show', 'map', version, name], options))
  if (prepared.length !== rows.length) {
    await runtime.send(['clear', 'map', version, name], options)
    const detail = `${rows.length} rows were sent and ${prepared.length} arrived; the map keeps its old rows`
    throw new HaproxyError('HAPROXY_READBACK_DIFFERS', { operation: `replace the map ${name}`, detail })
  }
  await runtime.send(['commit', 'map', version, name], options)
}

async function prepareMap(runtime: Runtime, name: string, options: EffectOptions): Promise<string> {
  const reply = await runtime.send(['prepare', 'map', name], options)
  const version = /^New version created: ([0-9]+)$/.exec(reply)?.[1]
  if (version === undefined)
    throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation: 'parse the reply to prepare map', value: reply })
  return `@${version}`
}

async function addRows(
  runtime: Runtime,
  words: readonly string[],
  rows: readonly MapRow[],
  options: EffectOptions,
): Promise<void> {
  for (const payload of encodeCliPayload(rows.map(({ key, value }) => encodeMapRow(key, value)))) {
    await runtime.send(words, { ...options, payload })
  }
}
