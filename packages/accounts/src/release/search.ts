import { HostError, runOptions, type Command, type EffectOptions, type Host } from '@puppy/host'
import { isAbort } from '../abort.ts'
import { findProgram } from '../program.ts'
import type { Slot } from '../slots.ts'

/** The folders to search, as paths of the machine. */
export interface SearchFolders {
  /** The folder that contains the homes. The search covers the contents of homes, but not the homes themselves. */
  readonly homes: readonly string[]
  readonly others: readonly string[]
}

/**
 * Renders find(1) tests that match files of these uids: `( -uid +9999 -uid -10003 -o -uid 10007 )`. Pure.
 *
 * Adjacent uids become one range, so for a pool of thousands find compares each file only once or twice.
 */
export function renderOwners(uids: readonly number[]): readonly string[] {
  const ranges: { first: number; last: number }[] = []
  for (const uid of [...new Set(uids)].toSorted((one, other) => one - other)) {
    const range = ranges.at(-1)
    if (range?.last === uid - 1) range.last = uid
    else ranges.push({ first: uid, last: uid })
  }
  const tests = ranges.flatMap(({ first, last }) => [
    '-o',
    ...(first === last ? ['-uid', `${first}`] : ['-uid', `+${first - 1}`, '-uid', `-${last + 1}`]),
  ])
  return ['(', ...tests.slice(1), ')']
}

/**
 * Removes the direct entries of these folders that belong to these uids, with their contents. Only root and the owner may be able to move
 * entries of these folders: the folders belong to root or are sticky.
 */
export async function removeEntries(
  host: Host,
  folders: readonly string[],
  uids: readonly number[],
  options: EffectOptions,
) {
  const owners = renderOwners(uids)
  await sweep(host, folders, ['-mindepth', '1', '-maxdepth', '1', ...owners, ...removing(host)], options)
}

/** Returns the arguments with which find(1) removes each match recursively, on its own file system. */
export function removing(host: Host): readonly string[] {
  return ['-exec', findProgram(host, 'rm'), '-rf', '--one-file-system', '--', '{}', '+']
}

/**
 * Removes single files of these uids at any depth in folders of other users. `-delete` of find works on an open folder, so it does not
 * follow a folder that is replaced by a link meanwhile.
 */
export async function removeStrays(
  host: Host,
  folders: SearchFolders,
  uids: readonly number[],
  options: EffectOptions,
) {
  const owners = renderOwners(uids)
  await sweep(host, folders.homes, ['-mindepth', '2', ...owners, '-delete'], options)
  await sweep(host, folders.others, ['-mindepth', '1', ...owners, '-delete'], options)
}

/** The result of a search, by slot number: the first twenty files of each slot, or why the search failed. */
export type Found = ReadonlyMap<number, readonly string[]>

/**
 * Searches for all files that these slots own, with one run of find(1) for the homes and one for the other folders.
 *
 * A folder that root may not read (a FUSE mount of another user) looks empty and is skipped. A search that does not finish proves nothing:
 * then the result of every slot is the error.
 *
 * @throws HostError `HOST_ABORTED`.
 */
export async function search(
  host: Host,
  folders: SearchFolders,
  slots: readonly Slot[],
  options: EffectOptions,
): Promise<Found> {
  const uids = slots.map(({ uid }) => uid)
  try {
    const print = [...renderOwners(uids), '-printf', '%U\\0%p\\0']
    const inHomes = await sweep(host, folders.homes, ['-mindepth', '2', ...print], options)
    const elsewhere = await sweep(host, folders.others, ['-mindepth', '1', ...print], options)
    return arrange(host, slots, parseFound(inHomes + elsewhere))
  } catch (error) {
    if (!(error instanceof HostError) || isAbort(error)) throw error
    if (error.code !== 'HOST_OUTPUT_TOO_LARGE' || slots.length === 1)
      return new Map(slots.map(({ n }) => [n, [error.message]]))
    return searchEach(host, folders, slots, options)
  }
}

/** Searches for each slot alone, when one of them has so many files that the whole list does not fit. */
async function searchEach(
  host: Host,
  folders: SearchFolders,
  slots: readonly Slot[],
  options: EffectOptions,
): Promise<Found> {
  const found = new Map<number, readonly string[]>()
  for (const slot of slots) {
    for (const [n, paths] of await search(host, folders, [slot], options)) found.set(n, paths)
  }
  return found
}

/** Parses the output of find: alternating owner and path, each terminated by a NUL, which no file name contains. Pure. */
export function parseFound(text: string): readonly { readonly uid: number; readonly path: string }[] {
  const words = text.split('\0')
  return words.flatMap((path, index) => {
    const uid = index % 2 === 1 ? Number(words[index - 1]) : Number.NaN
    return Number.isSafeInteger(uid) && words[index - 1] !== '' ? [{ uid, path }] : []
  })
}

function arrange(host: Host, slots: readonly Slot[], found: ReturnType<typeof parseFound>): Found {
  const byUid = Map.groupBy(found, ({ uid }) => uid)
  const strip = host.live ? 0 : host.root.length
  return new Map(
    slots.map(({ n, uid }) => [n, (byUid.get(uid) ?? []).slice(0, 20).map(({ path }) => path.slice(strip))]),
  )
}

/**
 * Runs find once. `-H` follows a link only at the start of the search, because an administrator may have replaced `/home` by a link. Below
 * a root folder no link is followed. Exit code 1: a file disappeared or could not be read.
 */
async function sweep(
  host: Host,
  folders: readonly string[],
  tests: readonly string[],
  options: EffectOptions,
): Promise<string> {
  if (folders.length === 0) return ''
  const starts = folders.map((folder) => host.path(folder))
  const command: Command = [
    findProgram(host, 'find'),
    host.live ? '-H' : '-P',
    ...starts,
    '-ignore_readdir_race',
    '-xdev',
    ...tests,
  ]
  return (await host.run(command, runOptions('files', options, { accept: [0, 1] }))).stdout
}
