import { setTimeout as sleep } from 'node:timers/promises'
import { pamPolicy, pamProfilePath, renderPamProfile } from '@puppy/cgroups'
import { HostError, type Host } from '@puppy/host'
import { readState, SelinuxError, type Policy, type PolicyChangeSet, type PolicySpec } from '@puppy/selinux'
import type { PlannedChange } from '@puppy/state/store/hosts'
import type { Step } from '../facilities/facility.ts'
import { assertApplied, plannedChanges } from '../selinux/change-set.ts'

/** The PAM file that cron and at use for a session. pam-auth-update(8) writes it. */
const common = '/etc/pam.d/common-session-noninteractive'
/** The name of the SELinux module with the rules that pam_systemd needs in sessions of cron. */
export const sessionsModule = 'puppy_cgroups'
const timeout = 300_000

/** Milliseconds until a failed attempt is repeated: building a policy takes long. */
const patience = 600_000
/** How many milliseconds a pass waits for the work. */
const soon = 2000

/** Where sessions of cron and at are configured, and for which group. */
export interface SessionsOptions {
  readonly host: Host
  /** The group that tenants are in. */
  readonly group: string
  /** The policy. Other facilities share its transactions. */
  readonly policy: Policy
}

/**
 * Creates a function that runs `planSessions` in each pass, and waits after a failure. The work continues in the background, so that no
 * pass waits until a policy is built. The next pass reports the result.
 */
export function sessionsKeeper(options: SessionsOptions): (signal: AbortSignal) => Promise<Step<readonly string[]>> {
  let failed: { readonly at: number; readonly remarks: readonly string[] } | undefined
  let going: Promise<void> | undefined
  return async (signal) => {
    if (going !== undefined) return remarked(said('the agent is installing the PAM profile now; no action is needed'))
    if (failed !== undefined && performance.now() - failed.at < patience) return remarked(failed.remarks)
    const step = await planSessions(options, signal)
    if (step.changes.length === 0) return step
    const work = async () => {
      const remarks = await step.apply().catch((error: unknown) => said(sentence(error)))
      failed = remarks.length > 0 ? { at: performance.now(), remarks } : undefined
      going = undefined
    }
    return {
      ...step,
      apply: async () => {
        going = work()
        // If no policy must be built, the work ends at once.
        await Promise.race([going, sleep(soon)])
        return going === undefined
          ? (failed?.remarks ?? [])
          : said('the agent is installing the PAM profile now; no action is needed')
      },
    }
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : 'failed without an error message'
}

/**
 * Plans what puts cron and at jobs of tenants into their slices: a PAM profile for the members of their group. Where SELinux is on, a
 * policy module comes first: without its rules, the profile would harm logind.
 *
 * Configuration that was edited by hand is not changed: pam-auth-update(8) refuses to change such files, and a remark reports it.
 */
export async function planSessions(
  { host, group, policy }: SessionsOptions,
  signal: AbortSignal,
): Promise<Step<readonly string[]>> {
  const nothing = { changes: [], apply: async () => [] }
  if (!host.live) return nothing
  const profile = renderPamProfile({ group, title: 'Limits of Puppy for cron jobs of its tenants' })
  const [update, text] = [host.program('pam-auth-update'), await host.read(common)]
  if (update === undefined || text === undefined)
    return remark(`pam-auth-update(8) or ${common} does not exist; run "apt-get install libpam-runtime"`)
  const rules = await planRules(host, policy, { modules: { [sessionsModule]: pamPolicy } })
  if (typeof rules === 'string') return remark(rules)
  const stands = (await host.read(pamProfilePath)) === profile && isInstalled(text, group)
  if (stands && rules === undefined) return nothing
  const changes = [
    ...(rules === undefined ? [] : plannedChanges(rules)),
    ...(stands ? [] : [change(pamProfilePath, 'install')]),
  ]
  return {
    changes,
    apply: async () => {
      try {
        if (rules !== undefined) assertApplied(await policy.apply(rules, { timeout, patience: timeout }))
        if (stands) return []
        await host.replace(pamProfilePath, profile, { mode: 0o644 })
        await runner(host, signal)([update, '--package'])
      } catch (error) {
        if (error instanceof HostError || error instanceof SelinuxError) return said(error.message)
        throw error
      }
      if (isInstalled((await host.read(common)) ?? '', group)) return []
      return said(
        `pam-auth-update(8) did not change ${common}, which was edited by hand; run "pam-auth-update --force" to discard those edits`,
      )
    },
  }
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

/** Removes the profile. `removePolicy` removes the rules for it later, with the other modules. */
export async function removeSessions(host: Host): Promise<void> {
  const update = host.program('pam-auth-update')
  if (!host.live || (await host.read(pamProfilePath)) === undefined || update === undefined) return
  const name = pamProfilePath.slice(pamProfilePath.lastIndexOf('/') + 1)
  await runner(host, new AbortController().signal)([update, '--package', '--remove', name])
  await host.remove(pamProfilePath)
}

function isInstalled(text: string, group: string): boolean {
  return text.split('\n').some((line) => !line.startsWith('#') && line.includes(`ingroup ${group}`))
}

type Run = (command: readonly [string, ...string[]]) => Promise<unknown>

function runner(host: Host, signal: AbortSignal): Run {
  return (command) =>
    host.run([...command], { touches: 'machine', timeout, signal, env: { DEBIAN_FRONTEND: 'noninteractive' } })
}

function change(target: string, action: string): PlannedChange {
  return { facility: 'cgroups', target, action }
}

function said(why: string): readonly string[] {
  return [`cron and at jobs of tenants run outside the limits of their accounts: ${why}`]
}

function remark(why: string): Step<readonly string[]> {
  return remarked(said(why))
}

function remarked(remarks: readonly string[]): Step<readonly string[]> {
  return { changes: [], foreseen: remarks, apply: async () => remarks }
}
