import { HostError, type Host } from '@puppy/host'
import type { EffectOptions } from '../change.ts'
import type { Slot, SlotLayout } from '../slots.ts'
import { findProgram, rootArguments, runOptions } from '../program.ts'
import { noReservations, readReserved, type PortReservations } from '../reserved.ts'
import { indexPool, judgeSlot, type BlockReason, type Verdict } from './judge.ts'
import { readPool } from './read.ts'
import { planPool, type PoolPlan, type SlotWork } from './plan.ts'
import { renderSysusers } from './sysusers.ts'
import { renderTmpfiles, runTmpfiles } from './tmpfiles.ts'

/** What became of one slot. */
export interface SlotResult {
  readonly n: number
  readonly status: 'ready' | 'failed'
  /** `account_wrong`, `home_wrong`: the tool said yes, and reading back says no. */
  readonly reason?: BlockReason | 'account_wrong' | 'home_wrong'
  readonly message?: string
}

export interface EnsurePoolOptions extends EffectOptions {
  /** What the ports may meet. Default: read from the machine, or nothing when the host is only a folder. */
  readonly reserved?: PortReservations
}

/**
 * Builds what a plan says: one run of `systemd-sysusers`, one of `systemd-tmpfiles`, whatever the number of slots. A home that is only
 * to be mended takes no process.
 *
 * Needs root. Writes `/etc/{passwd,group,shadow,gshadow}` and the homes below the host's root. Every slot of the plan
 * has its result, the ready and the blocked ones too; all that was built is read back exactly, because sysusers ends
 * with 0 after giving a user another uid. Homes are made only for accounts that came out right. The caller holds
 * whatever lock keeps a second one from doing the same. A plan without work runs nothing.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError as `Host.run`.
 * @see sysusers.d(5), tmpfiles.d(5)
 */
export async function applyPool(
  host: Host,
  layout: SlotLayout,
  plan: PoolPlan,
  options: EffectOptions = {},
): Promise<readonly SlotResult[]> {
  const built = plan.work.length === 0 ? [] : await build(host, layout, plan, options)
  const blocked = plan.blocked.map((slot): SlotResult => ({ ...slot, status: 'failed' }))
  const ready = plan.ready.map((n): SlotResult => ({ n, status: 'ready' }))
  return [...blocked, ...ready, ...built].toSorted((one, other) => one.n - other.n)
}

/**
 * Reads, plans and applies: afterwards the slots are ready, or their result says why not. A second call writes nothing.
 * @throws as `readPool`, `readReserved` and `applyPool`.
 */
export async function ensurePool(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EnsurePoolOptions = {},
): Promise<{ readonly plan: PoolPlan; readonly results: readonly SlotResult[] }> {
  const observed = await readPool(host, layout, slots, options)
  const reserved = options.reserved ?? (host.live ? await readReserved(host, options) : noReservations)
  const plan = planPool(slots, observed, reserved)
  return { plan, results: await applyPool(host, layout, plan, options) }
}

async function build(host: Host, layout: SlotLayout, plan: PoolPlan, options: EffectOptions) {
  const accounts = plan.work.filter(({ account }) => account).map(({ slot }) => slot)
  const complaint =
    accounts.length === 0 ? '' : await runSysusers(host, renderSysusers(layout, accounts, plan.groupGid), options)
  const slots = plan.work.map(({ slot }) => slot)
  const made = await verdicts(host, layout, slots, options)
  const sound = plan.work.filter(({ slot }) => accountFault(made.get(slot.n)) === undefined)
  const of = (home: SlotWork['home']) => sound.filter((work) => work.home === home).map(({ slot }) => slot)
  const input = of('create')
    .map((slot) => renderTmpfiles(slot, plan.skeleton))
    .join('')
  const refused = input === '' ? '' : await runTmpfiles(host, input, options)
  const mended = await repairHomes(host, of('repair'))
  const after = input === '' && of('repair').length === 0 ? made : await verdicts(host, layout, slots, options)
  const kept = new Set(plan.kept.map(({ n }) => n))
  return plan.work.map((work) => {
    const fresh = work.account && !kept.has(work.slot.n)
    return resultOf(work.slot, fresh, after.get(work.slot.n), [complaint, refused, ...mended])
  })
}

/** Exit code 1: some line failed; which one, reading back shows. */
async function runSysusers(host: Host, input: string, options: EffectOptions): Promise<string> {
  const program = findProgram(host, 'systemd-sysusers')
  const command = [program, ...rootArguments(host), '-'] as const
  const run = await host.run([...command], runOptions('files', options, { input, accept: [0, 1] }))
  return run.exitCode === 0 ? '' : run.stderr.trim().slice(-2000)
}

/**
 * Sets mode and group of homes that are there, and leaves what they are labelled: systemd-tmpfiles would label them as everybody's, and
 * a tenant whom SELinux holds to a level could not read its own for a moment. Gives what went wrong; one does not stop the others.
 */
async function repairHomes(host: Host, slots: readonly Slot[]): Promise<readonly string[]> {
  const complaints: string[] = []
  for (const { home, uid, gid } of slots) {
    try {
      await host.makeFolder(home, { mode: 0o700, uid, gid })
    } catch (error) {
      if (!(error instanceof HostError)) throw error
      complaints.push(error.message)
    }
  }
  return complaints
}

async function verdicts(host: Host, layout: SlotLayout, slots: readonly Slot[], options: EffectOptions) {
  const index = indexPool(await readPool(host, layout, slots, options))
  return new Map(slots.map((slot) => [slot.n, judgeSlot(slot, index)]))
}

function accountFault(verdict: Verdict | undefined): string | undefined {
  if (verdict === undefined || !verdict.hasUser) return 'the user is not there'
  if (verdict.block !== undefined && verdict.block.reason !== 'home_taken') return verdict.block.message
  if (!verdict.hasGroup) return 'the private group is not there'
  return verdict.isMember ? undefined : 'the user is not a member of the shared group'
}

function resultOf(slot: Slot, fresh: boolean, verdict: Verdict | undefined, complaints: readonly string[]): SlotResult {
  const fault = accountFault(verdict) ?? (fresh ? verdict?.kept : undefined)
  const failed = (reason: 'account_wrong' | 'home_wrong', message: string): SlotResult => {
    const said = complaints.filter((text) => text.includes(slot.user)).join('; ')
    return {
      n: slot.n,
      status: 'failed',
      reason,
      message: said === '' ? message : `${message}; the tool said: ${said}`,
    }
  }
  if (fault !== undefined) return failed('account_wrong', fault)
  if (verdict?.block !== undefined) return { n: slot.n, status: 'failed', ...verdict.block }
  if (verdict?.home !== 'right') return failed('home_wrong', `the home ${slot.home} is ${verdict?.home}`)
  return { n: slot.n, status: 'ready' }
}
