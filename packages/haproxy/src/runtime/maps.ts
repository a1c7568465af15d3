import type { EffectOptions } from '@puppy/host'
import { encodeCliPayload, encodeMapRow } from '../encode.ts'
import { HaproxyError } from '../errors.ts'
import type { Runtime } from './socket.ts'

/** A row of a map. */
export interface MapRow {
  readonly key: string
  readonly value: string
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
 * @throws HaproxyError `HAPROXY_REPLY_UNKNOWN` for any other line.
 */
export function parseMapRows(text: string): readonly MapRow[] {
  if (text === '') return []
  return text.split('\n').map((line) => {
    const parts = /^0x[0-9a-f]+ (\S+) (.*)$/.exec(line)
    if (parts !== null) return { key: parts[1] ?? '', value: parts[2] ?? '' }
    throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation: 'parse the reply to show map', value: line })
  })
}

/** Reads the rows of a running map that lookups use now. @throws HaproxyError as `Runtime.send` */
export async function readMap(runtime: Runtime, name: string, options: EffectOptions = {}): Promise<readonly MapRow[]> {
  return parseMapRows(await runtime.send(['show', 'map', name], options))
}

/** The smallest difference between a running map and its spec. */
export interface MapDifference {
  readonly add: readonly MapRow[]
  readonly set: readonly MapRow[]
  readonly remove: readonly string[]
}

/**
 * Plans the difference between the rows of a map and its spec. Pure.
 *
 * A key that occurs twice is removed and added again: `set map` would change both rows, and a lookup uses the first.
 */
export function planMap(spec: readonly MapRow[], seen: readonly MapRow[]): MapDifference {
  const before = new Map<string, readonly string[]>()
  for (const { key, value } of seen) before.set(key, [...(before.get(key) ?? []), value])
  const keys = new Set(spec.map(({ key }) => key))
  const doubled = (key: string) => (before.get(key)?.length ?? 0) > 1
  return {
    remove: [...before.keys()].filter((key) => !keys.has(key) || doubled(key)),
    set: spec.filter(({ key, value }) => before.has(key) && !doubled(key) && before.get(key)?.[0] !== value),
    add: spec.filter(({ key }) => !before.has(key) || doubled(key)),
  }
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
  seen: readonly MapRow[],
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
  await runtime.sendMany(
    [
      ...remove.map((key) => ['del', 'map', name, key]),
      ...set.map(({ key, value }) => ['set', 'map', name, key, value]),
    ],
    options,
  )
  await addRows(runtime, ['add', 'map', name], add, options)
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
