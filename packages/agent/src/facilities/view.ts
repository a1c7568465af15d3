import type { Slot, SlotLayout } from '@puppy/accounts'
import { parseGroup } from '@puppy/accounts/passwd'
import { privateFolders, readViews } from '@puppy/accounts/view'
import { HostError, printable, type Host } from '@puppy/host'
import type { Policy } from '@puppy/selinux'
import type { Verdict } from '@puppy/state'
import type { FacilityState } from '@puppy/state/store/hosts'
import { isInstalled, profileKeeper, removeProfile, type SessionProfile } from '../sessions/profile.ts'
import { temporaryFolder, viewProfile } from '../sessions/view-profile.ts'
import {
  servedNothing,
  type Facility,
  type Finding,
  type Given,
  type Served,
  type Step,
  type View,
} from './facility.ts'
import { listProblems } from './findings.ts'

const name = 'view'

/** Where sessions of tenants get their own view. */
export interface ViewFacilityOptions {
  /** The host that runs tenants. When it is only a folder, this facility does not work: sessions belong to a machine. */
  readonly host: Host
  readonly layout: Pick<SlotLayout, 'homes' | 'group'>
  /** The SELinux policy. It needs a module before sessions can have a view. */
  readonly policy: Policy
}

/** The facility, and the folders that tenants do not write to. */
export interface ViewFacility extends Facility {
  /** Returns the shared folders that sessions of tenants have replaced by private ones. None while the view does not work. */
  replaced(): readonly string[]
  /** Returns whether the view is being installed now. A session that begins meanwhile would not have it. */
  installing(): boolean
}

/** Why no view can be installed, and what to do. */
interface Obstacle {
  readonly reason: string
  readonly remedy?: string
}

/** The mode of the folder of the homes: every user can enter a home that allows it, and only root can list the names. */
const unlistable = 0o711
/** The mode that the folder has on every distribution. Another one was set by the operator, and is not changed. */
const listable = 0o755

/**
 * Creates the facility that limits what sessions of tenants see of other users: private `/tmp`, `/var/tmp` and `/dev/shm`, a `/proc` with
 * the processes of the tenant only, a folder of the homes that cannot be listed, and no calls of systemd and systemd-logind on the system
 * bus.
 *
 * Sessions that are open when the view is installed keep what they see until they end. `inspect` lists them.
 */
export function viewFacility(options: ViewFacilityOptions): ViewFacility {
  const { host, layout } = options
  const profile = viewProfile(layout)
  const { bus } = profile
  const keep = profileKeeper(options, profile)
  let [mountable, works] = [false, false]
  /** Returns why no view can be installed on this host, or undefined. */
  const findObstacle = async (signal: AbortSignal): Promise<Obstacle | undefined> => {
    if (!host.live) return { reason: 'this host is only a folder (PUPPY_ROOT), and sessions need a real machine' }
    if (host.program('pam-auth-update') === undefined)
      return { reason: 'pam-auth-update(8) is not installed', remedy: 'run "apt-get install libpam-runtime"' }
    const other = await findOther(host, profile)
    if (other !== undefined) return other
    const refused = mountable ? undefined : await tryMount(host, signal)
    if (refused !== undefined) return { reason: `mount namespaces do not work on this host: ${refused}` }
    mountable = true
    return undefined
  }
  return Object.freeze<ViewFacility>({
    name,
    installing: () => keep.installing(),
    replaced: () => (works ? privateFolders.map(([path]) => path) : []),
    judges: ['accounts'],
    installs: true,
    probe: async (signal: AbortSignal): Promise<FacilityState> => {
      works = false
      const obstacle = await findObstacle(signal)
      if (obstacle !== undefined) return { works, ...obstacle }
      if (!(await isInstalled(host, profile)))
        return {
          works,
          reason: 'the PAM profile is not installed',
          remedy: 'keep the agent running, which installs it',
        }
      works = true
      return { works }
    },
    prepare: async (signal: AbortSignal): Promise<Step<readonly string[]>> => {
      if ((await findObstacle(signal)) !== undefined) return { changes: [], apply: async () => [] }
      const step = await keep.prepare(signal)
      const closes = await isListable(host, layout)
      if (!closes) return step
      return {
        ...step,
        changes: [...step.changes, { facility: name, target: layout.homes, action: 'hide its entries' }],
        apply: async () => {
          const remarks = await step.apply()
          await close(host, layout)
          return remarks
        },
      }
    },
    serve: async ({ tenants }: View): Promise<Step<Served>> => {
      const verdict: Verdict = { type: name, status: 'true', reason: 'applied' }
      const accounts = new Map(tenants.map(({ id }): [number, Verdict] => [id, verdict]))
      const lacking = await lacksBusRules(host, layout)
      return {
        changes: lacking ? [{ facility: name, target: bus.path, action: 'install' }] : [],
        apply: async () => {
          if (lacking) await host.replace(bus.path, bus.text, { mode: bus.mode, uid: 0, gid: 0 })
          return { ...servedNothing, accounts }
        },
      }
    },
    scrub: async (slots: readonly Slot[], signal: AbortSignal): Promise<Step<ReadonlyMap<number, Given>>> => ({
      changes: slots.map(({ user }) => ({ facility: name, target: user, action: 'remove its temporary folders' })),
      apply: async () => removeFolders(host, layout, slots, signal),
    }),
    inspect: async ({ builtSlots }: View): Promise<readonly Finding[]> => {
      const users = new Map(builtSlots.map(({ slot }) => [slot.uid, slot.user]))
      const rules = (await lacksBusRules(host, layout)) ? [{ works: false, ...noRules(bus.path) }] : []
      const wide = (await readViews(host, users.keys())).filter(({ shares }) => shares.length > 0)
      if (wide.length === 0) return [...rules, { works: true, what: 'every process of a tenant has its own view' }]
      const problems = listProblems(
        wide,
        ({ pid, uid, name: title, shares }) => ({
          what: `process ${printable(title)} (pid ${pid}) of ${users.get(uid) ?? uid}`,
          otherwise: `it sees ${shares.join(', ')} as every user does, because its session began before the view was installed or without PAM; run "loginctl terminate-user ${users.get(uid) ?? uid}" and start it again`,
        }),
        { name: 'processes', otherwise: 'they also have no own view' },
      )
      return [...rules, ...problems]
    },
  })
}

/**
 * Returns why the view is not installed beside what the operator configured: pam_namespace in a PAM stack, which would apply our lines of
 * namespace.conf to all users, or a line of namespace.conf for one of our folders.
 */
async function findOther(host: Host, { stacks, files, group }: SessionProfile): Promise<Obstacle | undefined> {
  const remedy = 'remove it, or keep it and do without the view'
  for (const stack of stacks) {
    const lines = ((await host.read(stack)) ?? '').split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const foreign = lines.some(
      (line, n) => line.includes('pam_namespace.so') && lines[n - 1]?.includes(`ingroup ${group}`) !== true,
    )
    if (foreign) return { reason: `${stack} calls pam_namespace for other users too`, remedy }
  }
  const ours = new Set(files.map(({ path }) => path))
  const folder = '/etc/security/namespace.d'
  const names = (await host.list(folder)).filter((entry) => entry.endsWith('.conf'))
  for (const path of ['/etc/security/namespace.conf', ...names.map((entry) => `${folder}/${entry}`)]) {
    if (ours.has(path)) continue
    const line = ((await host.read(path)) ?? '')
      .split('\n')
      .find((one) => /^\s*(\/tmp|\/var\/tmp|\/dev\/shm)\s/.test(one))
    if (line !== undefined) return { reason: `${path} has its own line for ${line.trim().split(/\s/)[0]}`, remedy }
  }
  return undefined
}

/** Returns the finding for a system bus without our rules. */
function noRules(path: string): Pick<Finding, 'what' | 'otherwise'> {
  return {
    what: `the system bus limits tenants with ${path}`,
    otherwise:
      'the file is absent or was changed, so tenants can ask systemd for the command lines and sessions of others; keep the agent running, which writes it once a minute',
  }
}

/** Mounts `/proc` in a mount namespace that ends with the program. Returns why the kernel refuses it, or undefined. */
async function tryMount(host: Host, signal: AbortSignal): Promise<string | undefined> {
  const [unshare, mount] = [host.program('unshare'), host.program('mount')]
  if (unshare === undefined || mount === undefined) return 'unshare(1) or mount(8) is not installed'
  try {
    const words = ['--mount', mount, '-n', '-t', 'proc', '-o', 'hidepid=invisible', 'proc', '/proc']
    await host.run([unshare, ...words], { touches: 'nothing', signal, timeout: 20_000 })
    return undefined
  } catch (error) {
    if (error instanceof HostError) return error.message
    throw error
  }
}

/**
 * Returns whether the system bus lacks our rules. They are written after the first slot, because dbus-daemon(1) ignores rules for a group
 * that does not exist when it reads them. It reads a changed file at once.
 */
async function lacksBusRules(host: Host, layout: Pick<SlotLayout, 'homes' | 'group'>): Promise<boolean> {
  const { path, text } = viewProfile(layout).bus
  if (!host.live || (await host.status(path.slice(0, path.lastIndexOf('/'))))?.kind !== 'folder') return false
  const groups = parseGroup((await host.read('/etc/group')) ?? '')
  return groups.some((group) => group.name === layout.group) && (await host.read(path)) !== text
}

/** The texts of the record. It exists when we changed the mode of the homes. */
const [begun, done] = ['begun\n', 'done\n']

function recordOf(layout: Pick<SlotLayout, 'homes'>): string {
  return `${temporaryFolder(layout)}/homes-were-listable`
}

/**
 * Returns whether the homes must be hidden: every user can list them, or hiding them was not finished. When the operator makes them
 * listable again, they stay so.
 */
async function isListable(host: Host, layout: Pick<SlotLayout, 'homes'>): Promise<boolean> {
  const [status, record] = [await host.status(layout.homes), await host.read(recordOf(layout))]
  if (status?.kind !== 'folder' || status.uid !== 0 || record === done) return false
  return status.mode === listable || record === begun
}

async function close(host: Host, layout: Pick<SlotLayout, 'homes'>): Promise<void> {
  await host.makeFolder(temporaryFolder(layout), { mode: 0o711, uid: 0, gid: 0 })
  const record = (text: string) => host.replace(recordOf(layout), text, { mode: 0o600, uid: 0, gid: 0 })
  await record(begun)
  await host.makeFolder(layout.homes, { mode: unlistable })
  await record(done)
}

/** Removes the temporary folders of slots. No user can change their parents. */
async function removeFolders(
  host: Host,
  layout: Pick<SlotLayout, 'homes' | 'group'>,
  slots: readonly Slot[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Given>> {
  const parents = viewProfile(layout).folders.slice(1)
  const paths = slots.flatMap(({ user }) => parents.map(({ path }) => `${path}/${user}`))
  const rm = host.program('rm') ?? '/usr/bin/rm'
  await host.run([rm, '-rf', '--one-file-system', '--', ...paths], { touches: 'machine', signal, timeout: 600_000 })
  const left = new Set<string>()
  for (const path of paths) if ((await host.status(path)) !== undefined) left.add(path)
  return new Map(
    slots.map(({ n, user }): [number, Given] => {
      const path = [...left].find((one) => one.endsWith(`/${user}`))
      return [n, path === undefined ? { done: true } : { done: false, message: `the folder ${path} cannot be removed` }]
    }),
  )
}

/** Removes the view, for a purge. No process of a tenant may run. Keeps what another program has in the same folders. */
export async function removeView(host: Host, layout: Pick<SlotLayout, 'homes' | 'group'>): Promise<void> {
  if (!host.live) return
  const { files, folders, bus } = viewProfile(layout)
  await removeProfile(host, files)
  await host.remove(bus.path)
  if ((await host.read(recordOf(layout))) !== undefined) {
    if ((await host.status(layout.homes))?.mode === unlistable) await host.makeFolder(layout.homes, { mode: listable })
    await host.remove(recordOf(layout))
  }
  const [parent, ...ours] = folders.map(({ path }) => path)
  const rm = host.program('rm') ?? '/usr/bin/rm'
  await host.run([rm, '-rf', '--one-file-system', '--', ...ours], { touches: 'machine', timeout: 600_000 })
  for (const folder of [parent, files[0]?.path.replace(/\/[^/]*$/, '')])
    if (folder !== undefined && (await host.list(folder)).length === 0) await host.remove(folder)
}
