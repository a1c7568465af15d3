import { quoted, runOptions, type Host } from '@puppy/host'
import { readMounts, readProcesses, type Mount } from '@puppy/host/proc'
import { AccountError } from '../errors.ts'
import { readStates, slotBlocked } from '../pool/judge.ts'
import { readSkeleton } from '../pool/read.ts'
import { renderTmpfiles, runTmpfiles } from '../pool/tmpfiles.ts'
import { findProgram } from '../program.ts'
import { isSafeFolder } from '../safe-folder.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'
import { belonging, endProcesses, idsOf, type EndOptions } from './end.ts'
import { ipcOf, readIpc, removeIpc } from './ipc.ts'
import { clearKeyrings } from './keyrings.ts'
import { unmountAll, userMounts } from '../mounts.ts'
import { openView, queueFolder } from './private-view.ts'
import { forgetReleased, readRestarted, readUnproved, type UnprovedFolder } from './proof.ts'
import { clearLastLogins, readCoreDumps, readJournals, readRecords, rotateJournals } from './records.ts'
import { removeFiles, type SearchPlace } from './search.ts'
import { closeSockets } from './sockets.ts'

/** Whether a slot is clean: the search found nothing of its former tenant, and its home is as new. */
export interface ScrubResult {
  readonly n: number
  /** The user name. */
  readonly target: string
  /**
   * Why the slot is not clean. `facts.left` of `ACCOUNT_SLOT_DIRTY` lists the remaining paths, processes and IPC objects. Absent when it is
   * clean.
   */
  readonly error?: AccountError
  /** What was not searched because the host is only a folder and only the machine itself can have it. */
  readonly unsearched?: readonly string[]
}

export interface ScrubOptions extends EndOptions {
  /** Folders to search in addition to `scrubbedFolders` and the homes. Tenants must not be able to move entries of root in them. */
  readonly folders?: readonly string[]
  /**
   * Mount points of file systems on which the caller counts the files of each uid after the scrub, deleted ones included. There a search is
   * not the only proof.
   */
  readonly counted?: readonly string[]
}

const operation = 'scrub the slot'

/** The folders, besides homes, in which users leave files. Each belongs to root or is sticky. */
export const scrubbedFolders: readonly string[] = Object.freeze([
  '/tmp',
  '/var/tmp',
  '/dev/shm',
  queueFolder,
  '/dev/pts',
  '/run/lock',
  '/run/screen',
  '/run/user',
  '/var/mail',
  '/var/spool/mail',
  '/var/spool/cron',
  '/var/spool/at',
])

/**
 * Removes what former tenants left, checks that nothing remains, and creates their homes again.
 *
 * Call `evict` first. Needs root. Removes homes, crontabs, at jobs, mail, System V and POSIX IPC objects, FUSE mounts, keyrings, sockets
 * that keep a port of the slot, user journals, core dumps, and files in `scrubbedFolders` and in other homes. The new home is a new folder:
 * what another user has open, watches or was allowed in the old one does not lead to it. Then one run for all slots searches for their ids
 * with find(1), in `/proc` and in the IPC tables, also below the mounts of other users.
 *
 * A search of names does not find a deleted file that a process has open. So where tenants can write on a file system that is neither
 * mounted with `nosuid` nor `counted`, a slot that was searched is clean only after the next restart: its result has
 * `ACCOUNT_SLOT_UNPROVED`.
 *
 * A slot that is not exactly as the pool creates it is not changed. Below a root folder only files in it are removed. The default timeout
 * of each program is 600,000 ms.
 *
 * @throws TypeError, RangeError for slots of another layout; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError.
 */
export async function scrub(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: ScrubOptions = {},
): Promise<readonly ScrubResult[]> {
  assertSlots(layout, slots)
  const patient = { timeout: 600_000, ...options }
  const errors = new Map(await readRefusals(host, layout, slots, patient))
  const without = () => slots.filter(({ n }) => !errors.has(n))
  if (without().length > 0) {
    const place = await openPlace(host, layout, patient)
    const left = await clean(place, without(), patient)
    for (const slot of without()) note(errors, slot, dirtyError(slot, left.get(slot.n)!))
    if (host.live) await requireProof(host, layout, without(), errors, patient)
    const unmade = await renewHomes(host, layout, without(), patient)
    for (const slot of without()) note(errors, slot, unmade.get(slot.n))
    if (host.live) await forgetReleased(host, without())
  }
  return slots.map((slot): ScrubResult => {
    const error = errors.get(slot.n)
    const result = { n: slot.n, target: slot.user, ...(error === undefined ? {} : { error }) }
    return host.live ? result : { ...result, unsearched: ['processes, IPC objects, mounts and journals'] }
  })
}

function note(errors: Map<number, AccountError>, { n }: Slot, error: AccountError | undefined): void {
  if (error !== undefined) errors.set(n, error)
}

/** Adds an error for each slot that was searched and that may still have a set-user-ID file which another user has open. */
async function requireProof(
  host: Host,
  { homes }: SlotLayout,
  slots: readonly Slot[],
  errors: Map<number, AccountError>,
  options: ScrubOptions,
): Promise<void> {
  const folders = [...scrubbedFolders, ...(options.folders ?? [])]
  const unproved = await readUnproved(host, homes, folders, options.counted ?? [])
  if (unproved.length === 0) return
  const restarted = await readRestarted(host, slots)
  for (const slot of slots.filter(({ n }) => !restarted.has(n))) note(errors, slot, unprovedError(slot, unproved))
}

function unprovedError({ user }: Slot, unproved: readonly UnprovedFolder[]): AccountError {
  const places = unproved.map(({ folder }) => folder)
  const points = [...new Set(unproved.map(({ mountPoint }) => mountPoint))]
  const detail = `nothing of its former tenant was found, but another user may still have a deleted set-user-ID file of ${places.join(', ')} open: ${points.join(', ')} ${points.length === 1 ? 'is' : 'are'} mounted without nosuid`
  const steps = [`mount ${places.join(', ')} with nosuid,nodev (/etc/fstab)`, 'restart the host']
  return new AccountError('ACCOUNT_SLOT_UNPROVED', { operation, target: user, detail, left: places, steps })
}

function dirtyError({ user }: Slot, left: readonly string[]): AccountError | undefined {
  if (left.length === 0) return undefined
  const more = left.length > 10 ? ', …' : ''
  const detail = `the search found ${left.slice(0, 10).join(', ')}${more}; remove it, then scrub again`
  return new AccountError('ACCOUNT_SLOT_DIRTY', { operation, target: user, detail, left })
}

/** Returns errors for the slots that must not be changed. */
async function readRefusals(host: Host, layout: SlotLayout, slots: readonly Slot[], options: ScrubOptions) {
  const states = await readStates(host, layout, slots, options)
  const homesSafe = await isSafeFolder(host, layout.homes)
  const mounts = host.live ? await readMounts(host) : []
  const refusalOf = (slot: Slot): AccountError | undefined => {
    const { block, home } = states.get(slot.n)!
    if (block !== undefined) return slotBlocked(operation, slot, block)
    const mounted = foreignMount(mounts, slot)
    if (mounted !== undefined) return mountedError(slot, mounted)
    if (homesSafe || home === 'absent') return undefined
    const detail = `the path ${layout.homes} leads through a symbolic link; remove the link`
    return new AccountError('ACCOUNT_PATH_UNSAFE', { operation, target: slot.user, detail })
  }
  const refusals = slots.map((slot) => [slot.n, refusalOf(slot)] as const)
  return new Map(refusals.filter((entry): entry is readonly [number, AccountError] => entry[1] !== undefined))
}

/** Returns a mount point in a home that no user made, such as a disk that the operator mounted there. Its files are not the tenant's. */
function foreignMount(mounts: readonly Mount[], { home }: Slot): string | undefined {
  const users = new Set(userMounts(mounts).map(({ mount }) => mount))
  const inHome = mounts.filter(({ mountPoint }) => mountPoint === home || mountPoint.startsWith(`${home}/`))
  return inHome.find((mount) => !users.has(mount))?.mountPoint
}

function mountedError({ user }: Slot, mountPoint: string): AccountError {
  const detail = `${quoted(mountPoint)} is a mount point in its home; unmount it, then scrub again`
  return new AccountError('ACCOUNT_SLOT_DIRTY', { operation, target: user, detail, left: [mountPoint] })
}

async function openPlace(host: Host, layout: SlotLayout, { folders = [] }: ScrubOptions): Promise<SearchPlace> {
  const safe = async (path: string) => ((await isSafeFolder(host, path)) ? [path] : [])
  const others = (await Promise.all([...scrubbedFolders, ...folders].map(safe))).flat()
  // The kernel has message queues also where their file system is not mounted.
  const queues = host.live && (await host.status('/proc/sys/fs/mqueue')) !== undefined ? [queueFolder] : []
  const found = { homes: await safe(layout.homes), others: [...new Set([...others, ...queues])] }
  return { host, folders: found, view: openView(host, [...found.homes, ...found.others]) }
}

/** Removes everything of these slots. Returns what is left of each, by slot number. */
async function clean(
  place: SearchPlace,
  slots: readonly Slot[],
  options: ScrubOptions,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const { host } = place
  await removePaths(host, await readRecords(host, slots), options)
  const left = host.live ? await cleanMachine(host, slots, options) : new Map<number, readonly string[]>()
  const files = await removeFiles(place, slots, options)
  const records = await readRecords(host, slots)
  const remaining = host.live ? await readRemaining(host, slots) : new Map<number, readonly string[]>()
  return new Map(
    slots.map(({ n, user, uid }) => [
      n,
      [
        ...files.get(n)!,
        ...records.filter((path) => path.endsWith(`/${user}`) || path.endsWith(`/${uid}`)),
        ...(remaining.get(uid) ?? []),
        ...(left.get(uid) ?? []),
      ],
    ]),
  )
}

/** Runs after the crontabs are removed, so it also ends what they started meanwhile. Returns what it could not remove, by uid. */
async function cleanMachine(
  machine: Host,
  slots: readonly Slot[],
  options: ScrubOptions,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const uids = new Set(slots.map(({ uid }) => uid))
  await endProcesses(machine, [...uids], options)
  await unmountAll(machine, uids, options)
  await removeIpc(machine, ipcOf(await readIpc(machine), uids), options)
  await rotateJournals(machine, uids, options)
  await removePaths(machine, [...(await readJournals(machine, uids)), ...(await readCoreDumps(machine, uids))], options)
  await clearLastLogins(machine, slots, options)
  const [keys, sockets] = [await clearKeyrings(machine, slots, options), await closeSockets(machine, slots, options)]
  return new Map([...uids].map((uid) => [uid, [...(keys.get(uid) ?? []), ...(sockets.get(uid) ?? [])]]))
}

/** Reads what is left of these slots outside of file systems, by uid. */
async function readRemaining(machine: Host, slots: readonly Slot[]): Promise<ReadonlyMap<number, readonly string[]>> {
  const uids = new Set(slots.map(({ uid }) => uid))
  const [processes, objects] = [belonging(await readProcesses(machine), uids), ipcOf(await readIpc(machine), uids)]
  const mounts = userMounts(await readMounts(machine)).filter(({ uid }) => uids.has(uid))
  const records = await readCoreDumps(machine, uids)
  return new Map(
    [...uids].map((uid) => [
      uid,
      [
        ...processes
          .filter((process) => idsOf(process, new Set([uid])).length > 0)
          .map(({ pid, name }) => `process ${pid} ${quoted(name)}`),
        ...objects.filter((object) => object.uid === uid || object.cuid === uid).map(({ kind, id }) => `${kind} ${id}`),
        ...mounts.filter((mount) => mount.uid === uid).map(({ mount }) => `mount ${quoted(mount.mountPoint)}`),
        ...records.filter((path) => path.includes(`.${uid}.`)),
      ],
    ]),
  )
}

async function removePaths(host: Host, paths: readonly string[], options: ScrubOptions): Promise<void> {
  if (paths.length === 0) return
  const rm = [findProgram(host, 'rm'), '-rf', '--one-file-system', '--'] as const
  const command = [...rm, ...paths.map((path) => host.path(path))] as const
  await host.run([...command], runOptions('files', options, { accept: [0, 1] }))
}

/** Creates homes again. A slot without a user was not built, so it has no home. */
async function renewHomes(host: Host, layout: SlotLayout, slots: readonly Slot[], options: ScrubOptions) {
  const before = await readStates(host, layout, slots, options)
  const homes = slots.filter(({ n }) => before.get(n)!.hasUser)
  if (homes.length === 0) return new Map<number, AccountError>()
  const skeleton = await readSkeleton(host)
  const said = await runTmpfiles(host, homes.map((slot) => renderTmpfiles(slot, skeleton)).join(''), options)
  const states = await readStates(host, layout, homes, options)
  const wrong = homes.filter(({ n }) => states.get(n)!.home !== 'right')
  return new Map(wrong.map((slot): readonly [number, AccountError] => [slot.n, homeError(slot, said)]))
}

function homeError({ user, home }: Slot, said: string): AccountError {
  const facts = {
    operation,
    target: user,
    reason: 'home_wrong',
    detail: `the home ${home} could not be created again; scrub again`,
  } as const
  return new AccountError('ACCOUNT_NOT_APPLIED', { ...facts, said: said.includes(user) ? said : '' })
}
