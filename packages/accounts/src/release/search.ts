import { HostError, type Command, type EffectOptions, type Host } from '@puppy/host'
import { isAbort } from '../abort.ts'
import { findProgram } from '../program.ts'
import type { Slot } from '../slots.ts'
import type { PrivateView } from './private-view.ts'

/** The folders to search, as paths of the machine. */
interface SearchFolders {
  /** The folder that contains the homes. The search covers the contents of homes, but not the homes themselves. */
  readonly homes: readonly string[]
  readonly others: readonly string[]
}

/** What a search works on. */
export interface SearchPlace {
  readonly host: Host
  readonly view: PrivateView
  readonly folders: SearchFolders
}

/** The id of a group that no user is a member of. @see systemd's "Users, Groups, UIDs and GIDs" */
const nogroup = 65_534

/**
 * Renders find(1) tests that match files with one of these ids as owner or group: `( -uid +9999 -uid -10003 -o -gid +9999 -gid -10003 )`.
 * Pure.
 *
 * Adjacent ids become one range, so for a pool of thousands find compares each file only once or twice.
 */
export function renderOwners(ids: readonly number[]): readonly string[] {
  const tests = (['-uid', '-gid'] as const).flatMap((test) =>
    rangesOf(ids).flatMap((range) => renderRange(test, range)),
  )
  return ['(', ...tests.slice(1), ')']
}

interface Range {
  readonly first: number
  last: number
}

function rangesOf(ids: readonly number[]): readonly Range[] {
  const ranges: Range[] = []
  for (const id of [...new Set(ids)].toSorted((one, other) => one - other)) {
    const range = ranges.at(-1)
    if (range?.last === id - 1) range.last = id
    else ranges.push({ first: id, last: id })
  }
  return ranges
}

function renderRange(test: '-uid' | '-gid', { first, last }: Range): readonly string[] {
  return ['-o', ...(first === last ? [test, `${first}`] : [test, `+${first - 1}`, test, `-${last + 1}`])]
}

/** The result of a search, by slot number: the first twenty files of each slot, or why the search failed. */
export type Found = ReadonlyMap<number, readonly string[]>

/**
 * Removes all files of these slots, and then searches for them. Returns what is left. One run of find(1) covers all slots.
 *
 * - The homes of the slots are removed with everything in them. So are the direct entries of the other folders that belong to a slot: only
 *   root and the owner may be able to move entries of these folders.
 * - Single files in folders of other users are deleted at any depth. `-delete` of find works on an open folder, so it does not follow a
 *   folder that is replaced by a link meanwhile.
 * - A folder with files of other users cannot be deleted. It becomes the property of the owner of the folder that contains it. So does what
 *   cannot be deleted, such as a terminal. A file of another user with the group of a slot only loses this group. chown(1) runs in the
 *   folder that find has open, changes only what still belongs to the slot, and follows no link.
 *
 * @throws HostError `HOST_ABORTED`.
 */
export async function removeFiles(place: SearchPlace, slots: readonly Slot[], options: EffectOptions): Promise<Found> {
  const before = await search(place, slots, options, removals(place, slots))
  const left = slots.filter(({ n }) => before.get(n)!.length > 0)
  if (left.length === 0) return before
  const changes = left.flatMap((slot) => changesOfOwner(place, slot))
  return search(place, slots, options, changes)
}

function removals({ host, view, folders }: SearchPlace, slots: readonly Slot[]): readonly Command[] {
  const rm = [findProgram(host, 'rm'), '-rf', '--one-file-system', '--'] as const
  const homes = folders.homes.length === 0 ? [] : slots.map(({ home }) => view.inside(home))
  const ranges = rangesOf(slots.map(({ uid }) => uid)).flatMap((range) => renderRange('-uid', range))
  const owners = ['(', ...ranges.slice(1), ')']
  const entries = ['-mindepth', '1', '-maxdepth', '1', ...owners, '-exec', ...rm, '{}', '+']
  return [
    ...(homes.length === 0 ? [] : [[...rm, ...homes] as const]),
    ...sweep({ host, view }, folders.others, entries),
    ...sweepAll({ host, view, folders }, [...owners, '-delete']),
  ]
}

function changesOfOwner(place: SearchPlace, { uid, gid }: Slot): readonly Command[] {
  const chown = [findProgram(place.host, 'chown'), '--no-dereference'] as const
  const owned = ['-uid', `${uid}`, '-execdir', ...chown, `--from=${uid}`, '--reference=.', '--', '{}', '+']
  const grouped = ['-gid', `${gid}`, '-execdir', ...chown, `--from=:${gid}`, `:${nogroup}`, '--', '{}', '+']
  return [...sweepAll(place, owned), ...sweepAll(place, grouped)]
}

/**
 * Searches for all files whose owner or group belongs to these slots. Runs other programs first.
 *
 * A search that does not finish proves nothing: then the result of every slot is the error.
 *
 * @throws HostError `HOST_ABORTED`.
 */
export async function search(
  place: SearchPlace,
  slots: readonly Slot[],
  options: EffectOptions,
  first: readonly Command[] = [],
): Promise<Found> {
  const print = [...renderOwners(slots.map(({ uid }) => uid)), '-printf', '%U\\0%G\\0%p\\0']
  try {
    return arrange(place.view, slots, parseFound(await place.view.run([...first, ...sweepAll(place, print)], options)))
  } catch (error) {
    if (!(error instanceof HostError) || isAbort(error)) throw error
    if (error.code !== 'HOST_OUTPUT_TOO_LARGE' || slots.length === 1)
      return new Map(slots.map(({ n }) => [n, [error.message]]))
    return searchEach(place, slots, options)
  }
}

/** Searches for each slot alone, when one of them has so many files that the whole list does not fit. */
async function searchEach(place: SearchPlace, slots: readonly Slot[], options: EffectOptions): Promise<Found> {
  const found = new Map<number, readonly string[]>()
  for (const slot of slots) {
    for (const [n, paths] of await search(place, [slot], options)) found.set(n, paths)
  }
  return found
}

/** A file that a search found. */
export interface FoundFile {
  readonly uid: number
  readonly gid: number
  readonly path: string
}

/** Parses the output of find: owner, group and path in turn, each terminated by a NUL, which no file name contains. Pure. */
export function parseFound(text: string): readonly FoundFile[] {
  const words = text.split('\0')
  return Array.from({ length: Math.floor(words.length / 3) }, (_, at) => words.slice(at * 3, at * 3 + 3)).flatMap(
    ([uid = '', gid = '', path = '']) =>
      /^\d{1,10}$/.test(uid) && /^\d{1,10}$/.test(gid) ? [{ uid: Number(uid), gid: Number(gid), path }] : [],
  )
}

function arrange(view: PrivateView, slots: readonly Slot[], found: readonly FoundFile[]): Found {
  const paths = new Map<number, string[]>(slots.map(({ uid }) => [uid, []]))
  for (const { uid, gid, path } of found) {
    const list = paths.get(uid) ?? paths.get(gid)
    if (list !== undefined && list.length < 20) list.push(view.outside(path))
  }
  return new Map(slots.map(({ n, uid }) => [n, paths.get(uid)!]))
}

/** Returns commands that run find in the homes, without the homes themselves, and in the other folders. */
function sweepAll({ host, view, folders }: SearchPlace, tests: readonly string[]): readonly Command[] {
  return [
    ...sweep({ host, view }, folders.homes, ['-mindepth', '2', ...tests]),
    ...sweep({ host, view }, folders.others, ['-mindepth', '1', ...tests]),
  ]
}

/**
 * Returns the command that runs find in some folders, if there are any. `-H` follows a link only at the start of the search, because an
 * administrator may have replaced `/home` by a link. Below a root folder no link is followed. Exit code 1: a file disappeared or could not
 * be read.
 */
function sweep(
  { host, view }: Pick<SearchPlace, 'host' | 'view'>,
  folders: readonly string[],
  tests: readonly string[],
): readonly Command[] {
  if (folders.length === 0) return []
  const starts = folders.map((folder) => view.inside(folder))
  const find = [findProgram(host, 'find'), host.live ? '-H' : '-P'] as const
  return [[...find, ...starts, '-ignore_readdir_race', '-xdev', ...tests]]
}
