import { quoted, runOptions, runsSystemd, type Host } from '@puppy/host'
import { readProcesses } from '@puppy/host/proc'
import { AccountError } from '../errors.ts'
import { readStates, slotBlocked } from '../pool/judge.ts'
import { readSkeleton } from '../pool/read.ts'
import { renderTmpfiles, runTmpfiles } from '../pool/tmpfiles.ts'
import { findProgram } from '../program.ts'
import { isSafeFolder } from '../safe-folder.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'
import { belonging, endProcesses, idsOf, type EndOptions } from './end.ts'
import { ipcOf, readIpc, removeIpc } from './ipc.ts'
import { unmountAll } from './mounts.ts'
import { removeEntries, removeStrays, removing, search, type SearchFolders } from './search.ts'

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
}

const operation = 'scrub the slot'

/** The folders, besides homes, in which users leave files. Each belongs to root or is sticky. */
export const scrubbedFolders: readonly string[] = Object.freeze([
  '/tmp',
  '/var/tmp',
  '/dev/shm',
  '/dev/mqueue',
  '/run/lock',
  '/run/screen',
  '/run/user',
  '/var/mail',
  '/var/spool/mail',
  '/var/spool/cron',
  '/var/spool/at',
])

/** Folders with files that have the name of a user, but not always its uid. */
const namedFiles = [
  '/var/spool/cron/crontabs/',
  '/var/spool/cron/',
  '/var/mail/',
  '/var/spool/mail/',
  '/run/sudo/ts/',
  '/var/lib/sudo/lectured/',
]

/**
 * Removes what former tenants left, checks that nothing remains, and creates their homes again.
 *
 * Call `evict` first. Needs root. Removes crontabs, at jobs, mail, System V and POSIX IPC objects, FUSE mounts, user journals, files in
 * `scrubbedFolders` and in other homes, and everything in the home. First the uid of the tenant empties the home, then root removes the
 * rest. Both use find(1) and coreutils `rm --one-file-system`, which do not follow links. Then one run for all slots searches for their
 * uids with find(1), in `/proc` and in the IPC tables.
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
  const refused = await readRefusals(host, layout, slots, patient)
  const ours = slots.filter(({ n }) => !refused.has(n))
  const folders = await readFolders(host, layout, patient)
  if (ours.length > 0) await removeAll(host, ours, folders, patient)
  const left = ours.length === 0 ? new Map<number, readonly string[]>() : await prove(host, ours, folders, patient)
  const clean = ours.filter(({ n }) => left.get(n)!.length === 0)
  const unmade = await renewHomes(host, layout, clean, patient)
  return slots.map((slot): ScrubResult => {
    const error = refused.get(slot.n) ?? dirtyError(slot, left.get(slot.n) ?? []) ?? unmade.get(slot.n)
    const result = { n: slot.n, target: slot.user, ...(error === undefined ? {} : { error }) }
    return host.live ? result : { ...result, unsearched: ['processes, IPC objects, mounts and journals'] }
  })
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
  const refusalOf = (slot: Slot): AccountError | undefined => {
    const { block, home } = states.get(slot.n)!
    if (block !== undefined) return slotBlocked(operation, slot, block)
    if (homesSafe || home === 'absent') return undefined
    const detail = `the path ${layout.homes} leads through a symbolic link; remove the link`
    return new AccountError('ACCOUNT_PATH_UNSAFE', { operation, target: slot.user, detail })
  }
  const refusals = slots.map((slot) => [slot.n, refusalOf(slot)] as const)
  return new Map(refusals.filter((entry): entry is readonly [number, AccountError] => entry[1] !== undefined))
}

async function readFolders(host: Host, layout: SlotLayout, { folders = [] }: ScrubOptions): Promise<SearchFolders> {
  const safe = async (path: string) => ((await isSafeFolder(host, path)) ? [path] : [])
  const others = await Promise.all([...scrubbedFolders, ...folders].map(safe))
  return { homes: await safe(layout.homes), others: others.flat() }
}

async function removeAll(
  host: Host,
  slots: readonly Slot[],
  folders: SearchFolders,
  options: ScrubOptions,
): Promise<void> {
  const uids = slots.map(({ uid }) => uid)
  await removePaths(host, await readNamed(host, slots), options)
  if (host.live) await cleanMachine(host, uids, options)
  await emptyHomes(host, slots, options)
  await removeEntries(host, folders.others, uids, options)
  await removeStrays(host, folders, uids, options)
}

/** Runs after the crontabs are removed, so it also ends what they started meanwhile. */
async function cleanMachine(machine: Host, uids: readonly number[], options: ScrubOptions): Promise<void> {
  const all = new Set(uids)
  await endProcesses(machine, uids, options)
  await unmountAll(machine, all, options)
  await removeIpc(machine, ipcOf(await readIpc(machine), all), options)
  await removeJournals(machine, all, options)
}

/** journald has one file for each user, which the next user with that uid could read. journald must close the file before it is removed. */
async function removeJournals(machine: Host, uids: ReadonlySet<number>, options: ScrubOptions): Promise<void> {
  const journalctl = (await runsSystemd(machine)) ? machine.program('journalctl') : undefined
  if (journalctl === undefined || (await readJournals(machine, uids)).length === 0) return
  await machine.run([journalctl, '--rotate'], runOptions('machine', options, { accept: [0, 1] }))
  await removePaths(machine, await readJournals(machine, uids), options)
}

async function readJournals(machine: Host, uids: ReadonlySet<number>): Promise<readonly string[]> {
  const folders = ['/var/log/journal', '/run/log/journal']
  const machines = await Promise.all(
    folders.map(async (folder) => (await machine.list(folder)).map((name) => `${folder}/${name}`)),
  )
  const real = await Promise.all(
    machines.flat().map(async (path) => ((await machine.status(path))?.kind === 'folder' ? [path] : [])),
  )
  const files = await Promise.all(
    real.flat().map(async (folder) => (await machine.list(folder)).map((name) => `${folder}/${name}`)),
  )
  return files.flat().filter((path) => uids.has(Number(/\/user-(\d+)[@.][^/]*$/.exec(path)?.[1])))
}

async function readNamed(host: Host, slots: readonly Slot[]): Promise<readonly string[]> {
  const safe = await Promise.all(namedFiles.map((folder) => isSafeFolder(host, folder.slice(0, -1))))
  const paths = slots.flatMap(({ user }) =>
    namedFiles.filter((_, index) => safe[index]).map((folder) => `${folder}${user}`),
  )
  const there = await Promise.all(paths.map(async (path) => (await host.status(path)) !== undefined))
  return paths.filter((_, index) => there[index])
}

async function removePaths(host: Host, paths: readonly string[], options: ScrubOptions): Promise<void> {
  if (paths.length === 0) return
  const command = [
    findProgram(host, 'rm'),
    '-rf',
    '--one-file-system',
    '--',
    ...paths.map((path) => host.path(path)),
  ] as const
  await host.run([...command], runOptions('files', options, { accept: [0, 1] }))
}

async function emptyHomes(host: Host, slots: readonly Slot[], options: ScrubOptions): Promise<void> {
  const full = await Promise.all(
    slots.map(async (slot) =>
      (await host.status(slot.home))?.kind === 'folder' && (await host.list(slot.home)).length > 0 ? [slot] : [],
    ),
  )
  const homes = full.flat()
  if (homes.length === 0) return
  const starts = homes.map(({ home }) => host.path(home))
  await host.run(
    [findProgram(host, 'find'), ...starts, ...insides(host)],
    runOptions('files', options, { accept: [0, 1] }),
  )
}

function insides(host: Host): readonly string[] {
  return ['-xdev', '-mindepth', '1', '-maxdepth', '1', ...removing(host)]
}

async function prove(host: Host, slots: readonly Slot[], folders: SearchFolders, options: ScrubOptions) {
  const files = await search(host, folders, slots, options)
  const named = await readNamed(host, slots)
  const uids = new Set(slots.map(({ uid }) => uid))
  const processes = host.live ? belonging(await readProcesses(host), uids) : []
  const objects = host.live ? ipcOf(await readIpc(host), uids) : []
  return new Map(
    slots.map(({ n, uid, user, home }): readonly [number, readonly string[]] => [
      n,
      [
        ...files.get(n)!.map((path) => (path === home ? `${path} itself` : path)),
        ...named.filter((path) => path.endsWith(`/${user}`)),
        ...processes
          .filter((process) => idsOf(process, new Set([uid])).length > 0)
          .map(({ pid, name }) => `process ${pid} ${quoted(name)}`),
        ...objects.filter((object) => object.uid === uid || object.cuid === uid).map(({ kind, id }) => `${kind} ${id}`),
      ],
    ]),
  )
}

async function renewHomes(host: Host, layout: SlotLayout, slots: readonly Slot[], options: ScrubOptions) {
  const there = await Promise.all(
    slots.map(async (slot) => ((await host.status(slot.home)) === undefined ? [] : [slot])),
  )
  const homes = there.flat()
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
