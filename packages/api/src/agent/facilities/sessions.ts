import { setTimeout as sleep } from 'node:timers/promises'
import { pamPolicy, pamProfilePath, renderPamProfile } from '@puppy/cgroups'
import { HostError, type Host } from '@puppy/host'
import type { PlannedChange } from '../../store/hosts.ts'
import type { Step } from './facility.ts'

/** What cron and at open for a session; pam-auth-update(8) writes it. */
const common = '/etc/pam.d/common-session-noninteractive'
/** The name of our module in the policy, and of the text that was loaded for it. */
const module = 'puppy-cgroups'
const policyFile = `/etc/puppy/selinux/${module}.cil`
/** semodule names a module by its file. Only what was loaded is kept as such. */
const draft = `/etc/puppy/selinux/loading/${module}.cil`
/** Rebuilding a policy takes half a minute where the machine is emulated. */
const timeout = 300_000

/** What failed is not tried again in every pass: a policy takes long to build. */
const patience = 600_000
/** How long a pass waits for it. */
const soon = 2000

/**
 * `planSessions` again and again, with patience after a failure. What it does goes on beside the pass, which nobody keeps waiting
 * for a policy to be built; the next one tells what came of it.
 */
export function sessionsKeeper(host: Host, group: string): (signal: AbortSignal) => Promise<Step<readonly string[]>> {
  let failed: { readonly at: number; readonly remarks: readonly string[] } | undefined
  let going: Promise<void> | undefined
  return async (signal) => {
    if (going !== undefined) return remarked(said('that is being changed'))
    if (failed !== undefined && performance.now() - failed.at < patience) return remarked(failed.remarks)
    const step = await planSessions(host, group, signal)
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
        return going === undefined ? (failed?.remarks ?? []) : said('that is being changed')
      },
    }
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : 'it failed without a word'
}

/**
 * Brings tenants' cron and at jobs under their limits: a PAM profile for the members of their group, and before it, where SELinux
 * is, the rules without which it would harm logind.
 *
 * Nobody's configuration is edited: pam-auth-update(8) refuses where a person has written the common files by hand, and then a
 * remark says so.
 */
export async function planSessions(host: Host, group: string, signal: AbortSignal): Promise<Step<readonly string[]>> {
  const nothing = { changes: [], apply: async () => [] }
  if (!host.live) return nothing
  const profile = renderPamProfile({ group, title: 'Limits of Puppy for cron jobs of its tenants' })
  const [update, text] = [host.program('pam-auth-update'), await host.read(common)]
  if (update === undefined || text === undefined) return remark('this system has no pam-auth-update(8)')
  const policy = await planPolicy(host)
  if (typeof policy === 'string') return remark(policy)
  const stands = (await host.read(pamProfilePath)) === profile && isInstalled(text, group)
  if (stands && policy.length === 0) return nothing
  const changes = [...policy, ...(stands ? [] : [change(pamProfilePath, 'install')])]
  return {
    changes,
    apply: async () => {
      const run = runner(host, signal)
      try {
        if (policy.length > 0) await loadPolicy(host, run)
        if (stands) return []
        await host.replace(pamProfilePath, profile, { mode: 0o644 })
        await run([update, '--package'])
      } catch (error) {
        if (error instanceof HostError) return said(error.message)
        throw error
      }
      if (isInstalled((await host.read(common)) ?? '', group)) return []
      return said(`pam-auth-update(8) leaves ${common} as it is, because somebody has edited it`)
    },
  }
}

/** Takes the profile and the rules away, in this order. */
export async function removeSessions(host: Host): Promise<void> {
  if (!host.live) return
  const run = runner(host, new AbortController().signal)
  const update = host.program('pam-auth-update')
  if ((await host.read(pamProfilePath)) !== undefined && update !== undefined) {
    await run([update, '--package', '--remove', pamProfilePath.slice(folderOf(pamProfilePath).length + 1)])
    await host.remove(pamProfilePath)
  }
  const semodule = host.program('semodule')
  if ((await host.status(folderOf(policyFile))) === undefined) return
  await removeDraft(host)
  // Whoever has removed it before us has done our work, and semodule fails then.
  if (semodule !== undefined && (await isLoaded(host, await policyType(host)))) await run([semodule, '-r', module])
  await host.remove(policyFile)
  await host.remove(folderOf(policyFile))
}

function isInstalled(text: string, group: string): boolean {
  return text.split('\n').some((line) => !line.startsWith('#') && line.includes(`ingroup ${group}`))
}

/** What is to be done about the policy, or why it cannot be. */
async function planPolicy(host: Host): Promise<readonly PlannedChange[] | string> {
  if ((await host.status('/sys/fs/selinux/enforce')) === undefined) return []
  const type = await policyType(host)
  if (type === undefined) return 'SELinux is on, and /etc/selinux/config does not say which policy'
  if (host.program('semodule') === undefined) return 'SELinux is on, and semodule(8) is not installed'
  const same = (await host.read(policyFile)) === pamPolicy
  return same && (await isLoaded(host, type)) ? [] : [change(module, 'load')]
}

async function policyType(host: Host): Promise<string | undefined> {
  const config = (await host.read('/etc/selinux/config')) ?? ''
  return /^\s*SELINUXTYPE\s*=\s*([A-Za-z0-9_-]+)\s*$/m.exec(config)?.[1]
}

async function isLoaded(host: Host, type: string | undefined): Promise<boolean> {
  const folder = `/var/lib/selinux/${type}/active/modules/400/${module}`
  return type !== undefined && (await host.status(folder)) !== undefined
}

async function loadPolicy(host: Host, run: Run): Promise<void> {
  const semodule = host.program('semodule')
  if (semodule === undefined) return
  const folder = folderOf(draft)
  await host.makeFolder(folderOf(policyFile))
  await host.makeFolder(folder)
  await host.replace(draft, pamPolicy, { mode: 0o600 })
  // SELinux confines semodule too: it maps files of its own store into memory, and none of /etc.
  const chcon = host.program('chcon')
  if (chcon !== undefined) await run([chcon, '-t', 'semanage_store_t', '--', draft])
  await run([semodule, '-i', draft])
  await host.replace(policyFile, pamPolicy, { mode: 0o600 })
  await removeDraft(host)
}

async function removeDraft(host: Host): Promise<void> {
  await host.remove(draft)
  await host.remove(folderOf(draft))
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
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
  return [`cron and at jobs of tenants are outside of their limits: ${why}`]
}

function remark(why: string): Step<readonly string[]> {
  return remarked(said(why))
}

function remarked(remarks: readonly string[]): Step<readonly string[]> {
  return { changes: [], foreseen: remarks, apply: async () => remarks }
}
