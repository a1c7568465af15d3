import { HostError, type FileStatus, type Host } from '@puppy/host'
import type { EffectOptions } from '../change.ts'
import { assertLayout, type Slot, type SlotLayout } from '../slots.ts'
import { parseGroup, parsePasswd, parseShadow, type GroupEntry, type PasswdEntry, type ShadowEntry } from '../passwd.ts'
import { findProgram, runOptions } from '../program.ts'

/** What stands where a pool's slots should be. */
export interface PoolObservation {
  readonly layout: SlotLayout
  /** Every user that has a slot's name or uid, wherever the machine's users come from. */
  readonly users: readonly PasswdEntry[]
  /** Every group that has a slot's name or gid, and the shared group and whoever has its gid. */
  readonly groups: readonly GroupEntry[]
  /** The groups of the local file, where a user that is yet to come may already be a member. */
  readonly localGroups: readonly GroupEntry[]
  /** Absent when we may not read `/etc/shadow`. */
  readonly shadow?: readonly ShadowEntry[]
  /** By slot number; links are not followed. A home that is not there is not here. */
  readonly homes: ReadonlyMap<number, FileStatus>
  /** The plain files of `/etc/skel`, which a fresh home gets copies of. */
  readonly skeleton: readonly string[]
}

/** Keys for one `getent`; the kernel's limit on arguments is far away. */
const keysAtOnce = 8192

/**
 * Reads what there is of these slots.
 *
 * On the machine itself `getent` is asked for single keys, many in one process, so that a directory service answers
 * too and is never enumerated. Below a root folder the files are read. Reading `/etc/shadow` needs root.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_READ_FAILED`, `HOST_PROGRAM_FAILED`, `HOST_TIMEOUT`.
 * @throws RangeError, TypeError for a layout that cannot be used.
 */
export async function readPool(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<PoolObservation> {
  assertLayout(layout)
  const [passwd, group, shadow] = await Promise.all([
    readUsers(host, slots, options),
    readGroups(host, layout, slots, options),
    readShadow(host),
  ])
  const localGroups = parseGroup((await host.read('/etc/group')) ?? '')
  const homes = await readHomes(host, slots)
  const skeleton = await readSkeleton(host)
  return {
    layout,
    users: passwd,
    groups: group,
    localGroups,
    homes,
    skeleton,
    ...(shadow === undefined ? {} : { shadow }),
  }
}

/** Reads the users that have a slot's name or uid, as `readPool` does. */
export async function readUsers(
  host: Host,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<readonly PasswdEntry[]> {
  if (!host.live) return parsePasswd((await host.read('/etc/passwd')) ?? '')
  const keys = slots.flatMap(({ user, uid }) => [user, `${uid}`])
  return parsePasswd(await getent(host, 'passwd', keys, options))
}

async function readGroups(host: Host, layout: SlotLayout, slots: readonly Slot[], options: EffectOptions) {
  if (!host.live) return parseGroup((await host.read('/etc/group')) ?? '')
  const keys = slots.flatMap(({ user, gid }) => [user, `${gid}`])
  return parseGroup(await getent(host, 'group', [layout.group, `${layout.firstUid - 1}`, ...keys], options))
}

/** getent(1) prints what it finds and ends with 2 when a key is missing, which is what we hope for. */
async function getent(host: Host, database: string, keys: readonly string[], options: EffectOptions): Promise<string> {
  const program = findProgram(host, 'getent')
  let found = ''
  for (let at = 0; at < keys.length; at += keysAtOnce) {
    const some = keys.slice(at, at + keysAtOnce)
    const run = await host.run([program, database, ...some], runOptions('nothing', options, { accept: [0, 2] }))
    found += run.stdout
  }
  return found
}

/** Reads shadow(5). Not being allowed to look is an answer for whoever only plans; applying reads again as root. */
export async function readShadow(host: Host): Promise<readonly ShadowEntry[] | undefined> {
  try {
    return parseShadow((await host.read('/etc/shadow')) ?? '')
  } catch (error) {
    if (error instanceof HostError && error.facts.detail === 'EACCES') return undefined
    throw error
  }
}

async function readHomes(host: Host, slots: readonly Slot[]): Promise<ReadonlyMap<number, FileStatus>> {
  const seen = await Promise.all(slots.map(async ({ n, home }) => [n, await host.status(home)] as const))
  return new Map(seen.filter((entry): entry is readonly [number, FileStatus] => entry[1] !== undefined))
}

/** Reads the names of the plain files in `/etc/skel`; names that a tmpfiles.d line would have to quote are left out. */
export async function readSkeleton(host: Host): Promise<readonly string[]> {
  const names = (await host.list('/etc/skel')).filter((name) => /^[A-Za-z0-9._@+-]+$/.test(name))
  const kinds = await Promise.all(names.map(async (name) => (await host.status(`/etc/skel/${name}`))?.kind))
  return names.filter((_, index) => kinds[index] === 'file')
}
