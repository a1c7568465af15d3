import type { Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { isType, parseConfig, selinuxfs } from '../state.ts'
import { parseLocal, readBooleans } from './booleans.ts'
import type { Dontaudit } from './plan.ts'

/** Where a policy's modules and what is made of them are. */
export interface StorePaths {
  /** `/var/lib/selinux/<type>` */
  readonly store: string
  readonly active: string
  /** Modules of ours are among these. */
  readonly modules: string
  readonly disabled: string
  /** What a transaction moves away before it moves the new one here. */
  readonly previous: string
  /** Held by whoever runs a transaction. */
  readonly lock: string
  /** `/etc/selinux/<type>`, which the machine reads. */
  readonly policy: string
}

/** What is in a store, as seen without a process. */
export interface StoreObservation {
  readonly type: string
  /** Modules of priority 400, by their names. */
  readonly modules: readonly string[]
  /** Those that somebody switched off. */
  readonly disabled: readonly string[]
  /** Booleans that somebody has given a value other than the policy's, by their names. */
  readonly booleans: Readonly<Record<string, boolean>>
  /** Values that the kernel has now of the booleans that were asked for; undefined where the store is not the kernel's. */
  readonly loaded?: Readonly<Record<string, boolean>>
  /** Whether denials that policies keep to themselves are written down. */
  readonly dontaudit: Dontaudit
  /** Files without which the machine has no policy, and that are missing or empty. */
  readonly empty: readonly string[]
  /** Whether a transaction was ended between its two renames: there is only the store from before. */
  readonly interrupted: boolean
}

export function storePaths(type: string): StorePaths {
  if (!isType(type)) {
    throw new SelinuxError('SELINUX_INVALID', {
      operation: 'open the store',
      value: type,
      detail: 'it is no name of a policy',
    })
  }
  const store = `/var/lib/selinux/${type}`
  return {
    store,
    active: `${store}/active`,
    modules: `${store}/active/modules/400`,
    disabled: `${store}/active/modules/disabled`,
    previous: `${store}/previous`,
    lock: `${store}/semanage.trans.LOCK`,
    policy: `/etc/selinux/${type}`,
  }
}

/** The policy that the machine is configured for. @throws SelinuxError `SELINUX_DISABLED` where there is none. */
export async function readType(host: Host): Promise<string> {
  const { type } = parseConfig((await host.read('/etc/selinux/config')) ?? '')
  if (type !== undefined) return type
  throw new SelinuxError('SELINUX_DISABLED', {
    operation: 'find the policy',
    target: '/etc/selinux/config',
    detail: 'it names none; install a policy (selinux-policy-default on Debian)',
  })
}

/**
 * Reads a store: a few folders and files, no process.
 *
 * @param booleans those whose values in the kernel are read too; none for a store that the kernel does not get
 * @throws SelinuxError `SELINUX_DISABLED` when there is no such store, `SELINUX_INVALID` for its name; HostError `HOST_READ_FAILED`.
 */
export async function readStore(host: Host, type: string, booleans?: readonly string[]): Promise<StoreObservation> {
  const paths = storePaths(type)
  if ((await host.status(paths.store)) === undefined) {
    const detail = 'there is no such store; install the policy, with semodule(8)'
    throw new SelinuxError('SELINUX_DISABLED', { operation: 'read the store', target: paths.store, detail })
  }
  const [modules, disabled, priorities, previous, empty, local, logged, loaded] = await Promise.all([
    host.list(paths.modules),
    host.list(paths.disabled),
    host.list(`${paths.active}/modules`),
    host.list(`${paths.previous}/modules`),
    findEmpty(host, paths),
    host.read(`${paths.active}/booleans.local`),
    host.status(`${paths.active}/disable_dontaudit`),
    readLoaded(host, type, booleans),
  ])
  const interrupted = !priorities.some(isPriority) && previous.some(isPriority)
  return {
    type,
    modules,
    disabled,
    booleans: parseLocal(local ?? ''),
    ...(loaded === undefined ? {} : { loaded }),
    dontaudit: logged === undefined ? 'silent' : 'logged',
    empty,
    interrupted,
  }
}

/** The kernel has the policy that the machine is configured for, when it has one. */
async function readLoaded(host: Host, type: string, booleans: readonly string[] | undefined) {
  if (booleans === undefined || !host.live || (await host.status(`${selinuxfs}/enforce`)) === undefined)
    return undefined
  const { type: configured } = parseConfig((await host.read('/etc/selinux/config')) ?? '')
  return configured === type ? readBooleans(host, booleans) : undefined
}

function isPriority(name: string): boolean {
  return /^\d{1,3}$/.test(name)
}

async function findEmpty(host: Host, { policy }: StorePaths): Promise<readonly string[]> {
  const kernel = (await host.list(`${policy}/policy`)).filter((name) => /^policy\.\d+$/.test(name))
  const files = [
    ...(kernel.length === 0 ? ['policy.33'] : kernel).map((name) => `${policy}/policy/${name}`),
    `${policy}/contexts/files/file_contexts`,
    `${policy}/seusers`,
  ]
  const sizes = await Promise.all(files.map((path) => host.status(path)))
  return files.filter((_, at) => (sizes[at]?.size ?? 0) === 0)
}
