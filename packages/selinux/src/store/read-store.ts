import { hasSelinux, type Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { configFile, parseConfig, policySteps } from '../state.ts'
import { isBoolean, parseLocal, readBooleans } from './booleans.ts'
import { disabledFolder, modulesFolder, storePaths, type StorePaths } from './paths.ts'
import type { Dontaudit } from './spec.ts'

/** The content of a store, read without a process. */
export interface ObservedPolicy {
  /** The name of the policy: `default`, `targeted`, … */
  readonly type: string
  /** Modules of priority 400, by their names in the store. */
  readonly modules: readonly string[]
  /** Disabled modules. */
  readonly disabled: readonly string[]
  /** Booleans whose value differs from the default value of the policy, by their names. */
  readonly booleans: Readonly<Record<string, boolean>>
  /** The kernel's values of the booleans in the spec. Absent where the policy of this store is not loaded into the kernel. */
  readonly loaded?: Readonly<Record<string, boolean>>
  readonly dontaudit: Dontaudit
  /** Files that the machine needs to have a policy and that are missing or empty. */
  readonly empty: readonly string[]
  /**
   * Whether a transaction was killed between its two renames. The observation is then that of the previous store, which `apply` restores.
   */
  readonly interrupted: boolean
}

/** Reads the name of the policy that the machine is configured for. @throws SelinuxError `SELINUX_DISABLED` without one. */
export async function readType(host: Host): Promise<string> {
  const { type } = parseConfig(await host.read(configFile))
  if (type !== undefined) return type
  throw new SelinuxError('SELINUX_DISABLED', {
    operation: 'find the policy in',
    target: configFile,
    detail: 'the file names no policy',
    steps: policySteps(host),
  })
}

/**
 * Reads a store. Reads a few folders and files and starts no process.
 *
 * @param booleans the booleans whose values are also read from the kernel. Absent for a store whose policy is not loaded
 * @throws SelinuxError `SELINUX_DISABLED` without such a store, `SELINUX_INVALID` for its name; HostError `HOST_READ_FAILED`.
 */
export async function readStore(host: Host, type: string, booleans?: readonly string[]): Promise<ObservedPolicy> {
  const paths = storePaths(type)
  if ((await host.status(paths.store)) === undefined) {
    throw new SelinuxError('SELINUX_DISABLED', {
      operation: 'read the store',
      target: paths.store,
      detail: 'the policy is not installed',
      steps: policySteps(host),
    })
  }
  const interrupted = await isInterrupted(host, paths)
  const folder = interrupted ? paths.previous : paths.active
  const [modules, disabled, empty, local, logged, loaded] = await Promise.all([
    host.list(modulesFolder(folder)),
    host.list(disabledFolder(folder)),
    findEmpty(host, paths),
    host.read(`${folder}/booleans.local`),
    host.status(`${folder}/disable_dontaudit`),
    readLoaded(host, type, booleans),
  ])
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

/**
 * Returns whether a transaction was killed between its two renames. Then `active` is missing, or it is an empty folder that `semodule -l`
 * of another process has created.
 */
async function isInterrupted(host: Host, { active, previous }: StorePaths): Promise<boolean> {
  const [priorities, before] = await Promise.all([host.list(`${active}/modules`), host.list(`${previous}/modules`)])
  return !priorities.some(isPriority) && before.some(isPriority)
}

function isPriority(name: string): boolean {
  return /^\d{1,3}$/.test(name)
}

/**
 * Reads booleans from the kernel. The kernel has the policy that the machine is configured for, when SELinux is on. Leaves out invalid
 * names.
 */
async function readLoaded(host: Host, type: string, booleans: readonly string[] | undefined) {
  if (booleans === undefined || !(await hasSelinux(host))) return undefined
  const { type: configured } = parseConfig(await host.read(configFile))
  return configured === type ? readBooleans(host, booleans.filter(isBoolean)) : undefined
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
