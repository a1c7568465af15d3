import { setTimeout as sleep } from 'node:timers/promises'
import { pamPolicy, pamProfilePath, renderPamProfile } from '@puppy/cgroups'
import { HostError, type Host } from '@puppy/host'
import { readState, SelinuxError, type Policy, type PolicyChangeSet, type PolicySpec } from '@puppy/selinux'
import type { PlannedChange } from '@puppy/state/store/hosts'
import type { Step } from '../facilities/facility.ts'
import { assertApplied, plannedChanges } from '../selinux/change-set.ts'

/** What cron and at open for a session; pam-auth-update(8) writes it. */
const common = '/etc/pam.d/common-session-noninteractive'
/** The name of our module in the policy. */
export const sessionsModule = 'puppy_cgroups'
const timeout = 300_000

/** What failed is not tried again in every pass: a policy takes long to build. */
const patience = 600_000
/** How long a pass waits for it. */
const soon = 2000

export interface SessionsOptions {
  readonly host: Host
  /** The group that tenants are in. */
  readonly group: string
  /** Whose transactions others share. */
  readonly policy: Policy
}

/**
 * `planSessions` again and again, with patience after a failure. What it does goes on beside the pass, which nobody keeps waiting
 * for a policy to be built; the next one tells what came of it.
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
        // Without a policy to build it is done at once.
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
 * Brings tenants' cron and at jobs under their limits: a PAM profile for the members of their group, and before it, where SELinux
 * is, the rules without which it would harm logind.
 *
 * Nobody's configuration is edited: pam-auth-update(8) refuses where a person has written the common files by hand, and then a
 * remark says so.
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
    return remark(`there is no pam-auth-update(8) or no ${common}; run "apt-get install libpam-runtime"`)
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

/** The changes that give the policy the rules; undefined where it has them or SELinux is off; or why it cannot have them. */
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

/** Takes the profile away. The rules for it go after it, with the others of ours. */
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
