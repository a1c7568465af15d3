import { HaproxyError } from '../../src/errors.ts'
import { parseMapFile } from '../../src/routes/map-file.ts'
import type { MapRow } from '../../src/runtime/maps.ts'
import type { Reply } from '../../src/runtime/reply.ts'
import type { Runtime } from '../../src/runtime/socket.ts'

/** A map with the rows of each version. */
interface FakeMap {
  current: number
  prepared: number
  rows: { readonly version: number; readonly id: number; readonly key: string; value: string }[]
  /** How many rows the map had in all. */
  count: number
}

/**
 * Creates a client for the maps of a HAProxy in memory: `show`, `add`, `set`, `del`, `clear`, `prepare` and `commit map`.
 * `test/facility.ts` compares it with the real program.
 */
export function createFakeRuntime(names: readonly string[]): Runtime {
  const maps = new Map<string, FakeMap>(names.map((name) => [name, { current: 0, prepared: 0, rows: [], count: 0 }]))
  const send: Runtime['send'] = async (words, options = {}) => answer(maps, words, options.payload)
  return {
    send,
    sendMany: async (commands) => {
      const replies: Reply[] = []
      for (const words of commands) replies.push(await replyOf(() => send(words)))
      return replies
    },
  }
}

async function replyOf(ask: () => Promise<string>): Promise<Reply> {
  try {
    return { text: await ask() }
  } catch (error) {
    if (!(error instanceof HaproxyError)) throw error
    return { severity: 3, text: error.facts.said ?? '' }
  }
}

function answer(maps: ReadonlyMap<string, FakeMap>, words: readonly string[], payload: string | undefined): string {
  const [verb = '', object = '', ...rest] = words
  const versioned = rest[0]?.startsWith('@') === true
  const [name = '', key = '', value = ''] = versioned ? rest.slice(1) : rest
  const map = object === 'map' ? maps.get(name) : undefined
  if (map === undefined) throw refused(words, 'Unknown map identifier. Please use #<id> or <file>.')
  const version = versioned ? Number((rest[0] ?? '').slice(1)) : map.current
  const named = (row: FakeMap['rows'][number]) => key === '' || key === `#0x${row.id}` || row.key === key
  const selected = map.rows.filter((row) => row.version === version && named(row))
  if (verb === 'show') return selected.map((row) => `0x${row.id} ${row.key} ${row.value}`).join('\n')
  if (verb === 'prepare') return `New version created: ${(map.prepared += 1)}`
  if (verb === 'add') return add(map, version, payload === undefined ? [{ key, value }] : parseMapFile(payload))
  if (verb === 'clear') return drop(map, selected)
  if (verb === 'commit') return commit(map, version)
  if (selected.length === 0) throw refused(words, verb === 'del' ? 'Key not found.' : 'entry not found.')
  if (verb === 'del') return drop(map, selected)
  if (verb !== 'set') throw refused(words, 'Unknown command.')
  for (const row of selected) row.value = value
  return ''
}

function refused(words: readonly string[], said: string): HaproxyError {
  return new HaproxyError('HAPROXY_COMMAND_REFUSED', { operation: words.slice(0, 2).join(' '), said })
}

function add(map: FakeMap, version: number, rows: readonly MapRow[]): string {
  map.rows.push(...rows.map(({ key, value }) => ({ version, id: (map.count += 1), key, value })))
  return ''
}

function drop(map: FakeMap, rows: FakeMap['rows']): string {
  const gone = new Set(rows)
  map.rows = map.rows.filter((row) => !gone.has(row))
  return ''
}

/** Commits a version: the rows of every other version are deleted. */
function commit(map: FakeMap, version: number): string {
  map.current = version
  map.rows = map.rows.filter((row) => row.version === version)
  return ''
}
