import { slotAt, slotCount, type Slot } from '@puppy/accounts'
import { purgeAccounts } from '@puppy/state/store/accounts'
import { findHost, type PlannedChange } from '@puppy/state/store/hosts'
import { recordSlots, releaseAbandoned, slotsToScrub, slotsToVisit, type SlotUpdate } from '@puppy/state/store/slots'
import type { Facility } from './facilities/facility.ts'
import { attempt, recordAll, type HostStatus, type Pass, type ReconcileContext } from './pass.ts'

/**
 * Evicts released slots. The facilities run in reverse order: the one that serves last releases first.
 *
 * A complete pass evicts all dirty slots again, because a dry run, or an agent without one of the facilities, may have recorded a slot as
 * evicted without evicting it. It also releases slots that are taken and that no account has.
 */
export async function evict(pass: Pass): Promise<void> {
  const { database, host, row } = pass
  if (pass.complete && pass.recording) {
    const abandoned = await releaseAbandoned(database, host)
    if (abandoned.length > 0) pass.log('slots without an account released', { slots: abandoned.join() })
  }
  // If the facility that ends processes does not work, no slot may be recorded as evicted.
  if (pass.facilities.some((one) => one.clears === true && !pass.working.includes(one))) return
  const rows = (await slotsToVisit(database, host, pass.complete)).filter(
    ({ state, n }) => state === 'dirty' && n < slotCount(row.layout),
  )
  if (rows.length === 0) return
  const given = await releaseSlots(
    pass,
    rows.map(({ n }) => slotAt(row.layout, n)),
    'evict',
  )
  if (!pass.recording) return
  await recordAll(
    pass,
    'slots',
    rows.flatMap(({ n, evicted }): readonly SlotUpdate[] => {
      const message = given.get(n)
      if (message !== undefined)
        return [{ n, from: 'dirty', to: 'dirty', evicted: false, reason: 'evict_failed', message }]
      // A slot that was evicted before keeps the message of its scrub.
      return evicted ? [] : [{ n, from: 'dirty', to: 'dirty', evicted: true, reason: null, message: null }]
    }),
    (db, some) => recordSlots(db, pass.host, some),
  )
}

/**
 * Evicts or scrubs slots, facility by facility. Returns error messages by slot. A slot whose scrub failed in one facility skips the
 * facilities after it.
 */
async function releaseSlots(
  pass: Pick<Pass, 'working' | 'dryRun' | 'log' | 'signal'> & { readonly changes: PlannedChange[] },
  slots: readonly Slot[],
  how: 'evict' | 'scrub',
): Promise<ReadonlyMap<number, string>> {
  const trouble = new Map<number, string>()
  const names = new Set(pass.working.map(({ name }) => name))
  const act = async (facility: Facility, left: readonly Slot[]) => {
    const step = how === 'evict' ? facility.evict?.(left, pass.signal) : facility.scrub?.(left, pass.signal, names)
    return (await step) ?? { changes: [], apply: async () => new Map() }
  }
  for (const facility of how === 'evict' ? pass.working.toReversed() : pass.working) {
    const left = how === 'evict' ? slots : slots.filter(({ n }) => !trouble.has(n))
    if (facility[how] === undefined || left.length === 0) continue
    const given = await attempt(pass, facility.name, () => act(facility, left), {
      planned: new Map(),
      failed: (message) => new Map(left.map(({ n }) => [n, { done: false, message }])),
    })
    for (const [n, { done, message }] of given)
      if (!done) trouble.set(n, `${facility.name}: ${message ?? 'failed without an error message'}`)
  }
  return trouble
}

/** Scrubs evicted slots. The next pass builds them again. Returns the number of slots that it tried. */
export async function scrub(context: ReconcileContext, hostStatus: HostStatus, signal: AbortSignal): Promise<number> {
  const { database, host } = context
  const works = ({ name }: Facility) => hostStatus.states[name]?.works === true
  // A plan does not prove that a slot is clean. Neither can any scrub while the facility that cleans does not work.
  if (context.dryRun || context.facilities.some((one) => one.clears === true && !works(one))) return 0
  const row = await findHost(database, host)
  if (row === undefined) return 0
  const rows = (await slotsToScrub(database, host)).filter(({ n }) => n < slotCount(row.layout))
  if (rows.length === 0) return 0
  const working = context.facilities.filter(works)
  const trouble = await releaseSlots(
    { ...context, working, signal, changes: [] },
    rows.map(({ n }) => slotAt(row.layout, n)),
    'scrub',
  )
  await recordAll(
    { ...context, failures: {} },
    'slots',
    rows.map(({ n }): SlotUpdate => {
      const message = trouble.get(n)
      if (message === undefined) return { n, from: 'dirty', to: 'building', evicted: true, reason: null, message: null }
      // The time in the message changes the row, so that the wait until the next attempt starts now.
      return {
        n,
        from: 'dirty',
        to: 'dirty',
        evicted: true,
        reason: 'scrub_failed',
        message: `${message} (last tried at ${new Date().toISOString()})`,
      }
    }),
    (db, some) => recordSlots(db, host, some),
  )
  return rows.length
}

/** Deletes the rows of deleted accounts whose domains are deleted and whose slots are evicted. */
export async function purge({ database, host, log }: Pass): Promise<void> {
  const removed = await purgeAccounts(database, host)
  if (removed > 0) log('accounts removed', { removed })
}
