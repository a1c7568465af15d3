import { isDeepStrictEqual } from 'node:util'
import { HostError, runOptions, type Applied, type EffectOptions, type Host, type ItemResult } from '@puppy/host'
import { assertNotAborted } from '../abort.ts'
import { AccountError, type SlotFault } from '../errors.ts'
import { findProgram, rootArguments } from '../program.ts'
import type { Slot, SlotLayout } from '../slots.ts'
import { indexSlots, judgeSlot, readStates, slotBlocked, type SlotState } from './judge.ts'
import { sharedGroup, type PoolChangeSet, type SlotWork } from './plan.ts'
import { readSlots } from './read.ts'
import { renderSysusers } from './sysusers.ts'
import { renderTmpfiles, runTmpfiles } from './tmpfiles.ts'

/** The result for one slot. Its target is the user name. */
export interface SlotResult extends ItemResult<AccountError> {
  readonly n: number
}

const operation = 'build the slot'

/**
 * Applies a change set with one run of `systemd-sysusers` and one of `systemd-tmpfiles`, for any number of slots. Setting mode and group of
 * an existing home runs no program.
 *
 * Needs root. Writes `/etc/{passwd,group,shadow,gshadow}` and the homes below the root of the host. Slots that changed after they were read
 * are not changed. Everything that was built is read back, because `systemd-sysusers` ends with exit code 0 even when it assigned another
 * uid. Homes are created only for accounts that are right. The caller must hold a lock that prevents a second process from doing the same.
 * A change set without changes runs nothing.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError as `Host.run`.
 * @see sysusers.d(5), tmpfiles.d(5)
 */
export async function applyPool(
  host: Host,
  layout: SlotLayout,
  changeSet: PoolChangeSet,
  options: EffectOptions = {},
): Promise<Applied<SlotResult>> {
  const { changes, refused, ready, work } = changeSet
  const built = work.length === 0 ? { changed: false, results: [] } : await build(host, layout, changeSet, options)
  const results = [
    ...refused.map((slot): SlotResult => ({ ...slot, changed: false })),
    ...ready.map(({ n, user }): SlotResult => ({ n, target: user, changed: false })),
    ...built.results,
  ]
  return { changed: built.changed, changes, results: results.toSorted((one, other) => one.n - other.n) }
}

async function build(host: Host, layout: SlotLayout, changeSet: PoolChangeSet, options: EffectOptions) {
  const slots = changeSet.work.map(({ slot }) => slot)
  const now = await readNow(host, layout, slots, options)
  const isStale = (item: SlotWork) =>
    !isDeepStrictEqual(now.states.get(item.slot.n), item.before) ||
    (item.account && !isDeepStrictEqual(now.group, changeSet.group))
  const [stale, current] = [changeSet.work.filter(isStale), changeSet.work.filter((item) => !isStale(item))]
  const results = current.length === 0 ? [] : await buildCurrent(host, layout, changeSet, current, now.states, options)
  return {
    // The shared group is created with the first account, even when that account itself fails.
    changed: results.some(({ changed }) => changed) || (current.some(({ account }) => account) && !now.group.exists),
    results: [...results, ...stale.map(({ slot }) => staleResult(slot))],
  }
}

async function readNow(host: Host, layout: SlotLayout, slots: readonly Slot[], options: EffectOptions) {
  const index = indexSlots(await readSlots(host, layout, slots, options))
  return { states: new Map(slots.map((slot) => [slot.n, judgeSlot(slot, index)])), group: sharedGroup(index) }
}

function staleResult({ n, user }: Slot): SlotResult {
  const detail = 'its user, group or home changed after the change set was planned; read and plan again'
  return {
    n,
    target: user,
    changed: false,
    error: new AccountError('ACCOUNT_STALE', { operation, target: user, detail }),
  }
}

async function buildCurrent(
  host: Host,
  layout: SlotLayout,
  { group, kept, skeleton }: PoolChangeSet,
  work: readonly SlotWork[],
  now: ReadonlyMap<number, SlotState>,
  options: EffectOptions,
): Promise<readonly SlotResult[]> {
  const slots = work.map(({ slot }) => slot)
  const accounts = work.filter(({ account }) => account).map(({ slot }) => slot)
  const read = () => readStates(host, layout, slots, options)
  const complaint =
    accounts.length === 0 ? '' : await runSysusers(host, renderSysusers(layout, accounts, group.gid), options)
  const made = accounts.length === 0 ? now : await read()
  const sound = work.filter(({ slot }) => accountFault(made.get(slot.n)) === undefined)
  const of = (home: SlotWork['home']) => sound.filter((item) => item.home === home).map(({ slot }) => slot)
  const input = of('create')
    .map((slot) => renderTmpfiles(slot, skeleton))
    .join('')
  const refusal = input === '' ? '' : await runTmpfiles(host, input, options)
  const failures = await repairHomes(host, of('repair'), options)
  const after = input === '' && of('repair').length === 0 ? made : await read()
  const keptShells = new Set(kept.map(({ n }) => n))
  return work.map(({ slot, account, before }): SlotResult => {
    const state = after.get(slot.n)
    const error = errorOf(slot, state, account && !keptShells.has(slot.n), [complaint, refusal], failures.get(slot.n))
    const changed = !isDeepStrictEqual(state, before)
    return { n: slot.n, target: slot.user, changed, ...(error === undefined ? {} : { error }) }
  })
}

/** Exit code 1: at least one line failed. Reading back shows which one. */
async function runSysusers(host: Host, input: string, options: EffectOptions): Promise<string> {
  const program = findProgram(host, 'systemd-sysusers')
  const command = [program, ...rootArguments(host), '-'] as const
  const run = await host.run([...command], runOptions('files', options, { input, accept: [0, 1] }))
  return run.exitCode === 0 ? '' : run.stderr.trim().slice(-2000)
}

/**
 * Sets mode and group of existing homes, and keeps their SELinux contexts: `systemd-tmpfiles` would set the default context, and a tenant
 * that SELinux confines to a level could not read its own home for a moment. Returns the failures by slot number.
 */
async function repairHomes(
  host: Host,
  slots: readonly Slot[],
  options: EffectOptions,
): Promise<ReadonlyMap<number, HostError>> {
  const failures = new Map<number, HostError>()
  for (const { n, home, uid, gid } of slots) {
    assertNotAborted(options, 'repair homes')
    try {
      await host.makeFolder(home, { mode: 0o700, uid, gid })
    } catch (error) {
      if (!(error instanceof HostError)) throw error
      failures.set(n, error)
    }
  }
  return failures
}

function accountFault(state: SlotState | undefined): string | undefined {
  if (state === undefined || !state.hasUser) return 'the user does not exist'
  if (state.block !== undefined && state.block.reason !== 'home_taken') return state.block.detail
  if (!state.hasGroup) return 'the private group does not exist'
  return state.isMember ? undefined : 'the user is not a member of the shared group'
}

/** @param fresh whether `systemd-sysusers` has just created the account: then its shell must also be right */
function errorOf(
  slot: Slot,
  state: SlotState | undefined,
  fresh: boolean,
  complaints: readonly string[],
  failure: HostError | undefined,
): AccountError | undefined {
  const fault = accountFault(state) ?? (fresh ? state?.kept : undefined)
  const failed = (reason: SlotFault, detail: string) =>
    new AccountError('ACCOUNT_NOT_APPLIED', {
      operation,
      target: slot.user,
      reason,
      detail: failure === undefined ? detail : `${detail}: ${failure.message}`,
      said: complaints.filter((text) => text.includes(slot.user)).join('; '),
      cause: failure,
    })
  if (fault !== undefined) return failed('account_wrong', fault)
  if (state?.block !== undefined) return slotBlocked(operation, slot, state.block)
  if (state?.home === 'right') return undefined
  const what = state?.home === 'covered' ? 'below a mount of a user, or cannot be read' : state?.home
  return failed('home_wrong', `the home ${slot.home} is ${what}`)
}
