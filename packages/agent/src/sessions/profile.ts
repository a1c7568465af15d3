import { setTimeout as sleep } from 'node:timers/promises'
import { HostError, type Host } from '@puppy/host'
import { readState, SelinuxError, type Policy, type PolicyChangeSet, type PolicySpec } from '@puppy/selinux'
import type { PlannedChange } from '@puppy/state/store/hosts'
import type { Step } from '../facilities/facility.ts'
import { assertApplied, plannedChanges } from '../selinux/change-set.ts'

const timeout = 300_000
/** Milliseconds until a failed attempt is repeated: building a policy takes long. */
const patience = 600_000
/** How many milliseconds a pass waits for the work. */
const soon = 2000

/** A file of a profile, owned by root. */
interface ProfileFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** A profile for pam-auth-update(8) that adds a PAM module to sessions of tenants, and what it needs. */
export interface SessionProfile {
  /** The name of the facility, for its planned changes. */
  readonly facility: string
  /** What tenants can do while the profile is not installed. Remarks begin with it. */
  readonly without: string
  /** The group that tenants are in. */
  readonly group: string
  /** The file name of the PAM module: `pam_systemd.so`. */
  readonly module: string
  /** The PAM files that must call the module for members of the group. */
  readonly stacks: readonly string[]
  /** Folders that the files need, in this order. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  /** The files to write in this order. The last one is the profile. */
  readonly files: readonly ProfileFile[]
  /** The SELinux module that must be loaded first: its name and its text. */
  readonly policyModule: { readonly name: string; readonly text: string }
}

/** Where a profile is installed. */
export interface ProfileOptions {
  readonly host: Host
  /** The policy. Other facilities share its transactions. */
  readonly policy: Policy
}

/** Keeps a profile installed. */
interface ProfileKeeper {
  /** Plans the profile. */
  prepare(signal: AbortSignal): Promise<Step<readonly string[]>>
  /** Returns whether the profile is being installed now. */
  installing(): boolean
}

/**
 * Creates the keeper of a profile. It plans the profile in each pass, and waits after a failure. The work continues in the background, so
 * that no pass waits until a policy is built. The next pass reports the result.
 */
export function profileKeeper(options: ProfileOptions, profile: SessionProfile): ProfileKeeper {
  let failed: { readonly at: number; readonly remarks: readonly string[] } | undefined
  let going: Promise<void> | undefined
  const installing = say(profile, 'the agent is installing the PAM profile now; no action is needed')
  const prepare = async (signal: AbortSignal): Promise<Step<readonly string[]>> => {
    if (going !== undefined) return remarked(installing)
    if (failed !== undefined && performance.now() - failed.at < patience) return remarked(failed.remarks)
    const step = await planProfile(options, profile, signal)
    if (step.changes.length === 0) return step
    const work = async () => {
      const remarks = await step.apply().catch((error: unknown) => say(profile, sentence(error)))
      failed = remarks.length > 0 ? { at: performance.now(), remarks } : undefined
      going = undefined
    }
    return {
      ...step,
      apply: async () => {
        going = work()
        // If no policy must be built, the work ends at once.
        const timer = new AbortController()
        await Promise.race([going, sleep(soon, undefined, { signal: timer.signal }).catch(() => undefined)])
        timer.abort()
        return going === undefined ? (failed?.remarks ?? []) : installing
      },
    }
  }
  return { prepare, installing: () => going !== undefined }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : 'failed without an error message'
}

/**
 * Plans a profile: its folders and files, and the lines in the PAM stacks. Where SELinux is on, a policy module comes first: without its
 * rules, the profile would harm sessions.
 *
 * Configuration that was edited by hand is not changed: pam-auth-update(8) refuses to change such files, and a remark reports it.
 */
export async function planProfile(
  { host, policy }: ProfileOptions,
  profile: SessionProfile,
  signal: AbortSignal,
): Promise<Step<readonly string[]>> {
  const nothing = { changes: [], apply: async () => [] }
  if (!host.live) return nothing
  const update = host.program('pam-auth-update')
  const absent = await findAbsent(host, profile.stacks)
  if (update === undefined || absent !== undefined)
    return remarked(
      say(
        profile,
        `pam-auth-update(8) or ${absent ?? profile.stacks[0]} does not exist; run "apt-get install libpam-runtime"`,
      ),
    )
  const rules = await planRules(host, policy, {
    modules: { [profile.policyModule.name]: profile.policyModule.text },
  })
  if (typeof rules === 'string') return remarked(say(profile, rules))
  const wrong = await findWrong(host, profile)
  const idle = await findIdle(host, profile)
  if (wrong.length === 0 && idle === undefined && rules === undefined) return nothing
  const { path } = profile.files.at(-1)!
  const targets = [...new Set([...wrong, ...(idle === undefined ? [] : [path])])]
  const changes = [
    ...(rules === undefined ? [] : plannedChanges(rules)),
    ...targets.map((target): PlannedChange => ({ facility: profile.facility, target, action: 'install' })),
  ]
  return {
    changes,
    apply: async () => {
      try {
        if (rules !== undefined) assertApplied(await policy.apply(rules, { timeout, patience: timeout }))
        for (const { path: folder, mode } of profile.folders) await host.makeFolder(folder, { mode, uid: 0, gid: 0 })
        for (const { path: file, text, mode } of profile.files) {
          await host.makeFolder(file.slice(0, file.lastIndexOf('/')))
          await host.replace(file, text, { mode, uid: 0, gid: 0 })
        }
        if (targets.includes(path)) await updatePam(host, [update, '--package'], signal)
      } catch (error) {
        if (error instanceof HostError || error instanceof SelinuxError) return say(profile, error.message)
        throw error
      }
      const left = await findIdle(host, profile)
      if (left === undefined) return []
      return say(
        profile,
        `pam-auth-update(8) did not change ${left}, which was edited by hand; run "pam-auth-update --force" to discard those edits`,
      )
    },
  }
}

/** Returns whether the files of a profile are there and all its PAM stacks call its module. */
export async function isInstalled(host: Host, profile: SessionProfile): Promise<boolean> {
  return (await findWrong(host, profile)).length === 0 && (await findIdle(host, profile)) === undefined
}

/** Removes a profile and its other files. `removePolicy` removes its SELinux module later, with the other modules. */
export async function removeProfile(host: Host, files: readonly { readonly path: string }[]): Promise<void> {
  const path = files.at(-1)?.path
  const update = host.program('pam-auth-update')
  if (!host.live || path === undefined || update === undefined) return
  if ((await host.read(path)) !== undefined)
    await updatePam(
      host,
      [update, '--package', '--remove', path.slice(path.lastIndexOf('/') + 1)],
      new AbortController().signal,
    )
  for (const file of files.toReversed()) await host.remove(file.path)
}

/** Returns whether a PAM stack calls a module for the members of a group. Pure. */
function callsModule(text: string, { group, module }: Pick<SessionProfile, 'group' | 'module'>): boolean {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.some((line, n) => line.includes(`ingroup ${group}`) && lines[n + 1]?.includes(module) === true)
}

async function findAbsent(host: Host, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await host.read(path)) === undefined) return path
  return undefined
}

/** Returns the paths of folders and files that are not as the profile wants them. */
async function findWrong(host: Host, { folders, files }: SessionProfile): Promise<readonly string[]> {
  const wrong: string[] = []
  for (const { path, mode } of folders) {
    const status = await host.status(path)
    if (status?.kind !== 'folder' || status.mode !== mode || status.uid !== 0) wrong.push(path)
  }
  for (const { path, text, mode } of files)
    if ((await host.read(path)) !== text || (await host.status(path))?.mode !== mode) wrong.push(path)
  return wrong
}

/** Returns the first PAM stack that does not call the module. */
async function findIdle(host: Host, profile: SessionProfile): Promise<string | undefined> {
  for (const path of profile.stacks) if (!callsModule((await host.read(path)) ?? '', profile)) return path
  return undefined
}

/** Plans the rules. Returns undefined when the policy has them or SELinux is off, and a text when it cannot have them. */
async function planRules(host: Host, policy: Policy, spec: PolicySpec): Promise<PolicyChangeSet | undefined | string> {
  if ((await readState(host)).mode === 'disabled') return undefined
  if (host.program('semodule') === undefined)
    return 'SELinux is on and semodule(8) is not installed; run "apt-get install policycoreutils"'
  try {
    const changeSet = policy.plan(spec, await policy.read())
    return changeSet.changes.length === 0 ? undefined : changeSet
  } catch (error) {
    if (error instanceof SelinuxError) return error.message
    throw error
  }
}

/** The last run of pam-auth-update(8) by host. Two runs at a time would wait for the same lock, and one would fail. */
const runs = new WeakMap<Host, Promise<unknown>>()

async function updatePam(host: Host, command: readonly [string, ...string[]], signal: AbortSignal): Promise<void> {
  const before = runs.get(host)
  const run = (async () => {
    // The failure of another profile is reported by that profile.
    await before?.catch(() => undefined)
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    await host.run([...command], { touches: 'machine', timeout, signal, env })
  })()
  runs.set(host, run)
  await run
}

function say({ without }: SessionProfile, why: string): readonly string[] {
  return [`${without}: ${why}`]
}

function remarked(remarks: readonly string[]): Step<readonly string[]> {
  return { changes: [], foreseen: remarks, apply: async () => remarks }
}
