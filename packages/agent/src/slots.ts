import { slotAt, slotCount } from '@puppy/accounts'
import { findHost } from '@puppy/state/store/hosts'
import {
  assignWaiting,
  countSlots,
  countWaiting,
  insertSlots,
  listWaiting,
  recordSlots,
  slotsToVisit,
  type SlotRow,
  type SlotUpdate,
} from '@puppy/state/store/slots'
import type { SlotVerdict } from './facilities/facility.ts'
import { attempt, partOf, recordAll, type HostStatus, type Pass, type ReconcileContext } from './pass.ts'

/** Adds slots ahead of demand, and builds new and scrubbed ones. Runs only while no account waits for a slot. */
export async function refill(context: ReconcileContext, hostStatus: HostStatus, signal: AbortSignal): Promise<void> {
  const row = await findHost(context.database, context.host)
  if (row === undefined) return
  const working = context.facilities.filter(({ name }) => hostStatus.states[name]?.works === true)
  await growAndBuild({ ...context, row, working, signal, complete: false, changes: [], recording: true, failures: {} })
}

/**
 * Assigns free slots to accounts that wait for one. An account that cannot get one does not affect the others. Returns how many accounts
 * still wait.
 */
export async function assign(pass: Pass): Promise<number> {
  const { database, host } = pass
  const waiting = await listWaiting(database, host)
  if (waiting.length === 0) return 0
  try {
    await database.transaction((tx) => assignWaiting(tx, host, waiting))
  } catch {
    for (const id of waiting) {
      const given = await partOf(
        pass,
        'assign slots',
        () => database.transaction((tx) => assignWaiting(tx, host, [id])),
        undefined,
      )
      if (given === 0) break
    }
  }
  return countWaiting(database, host)
}

/** Adds the slots that are needed, builds what is not built, and assigns free slots. A planning pass only plans the building. */
export async function growAndBuild(pass: Pass): Promise<void> {
  if (pass.recording) await grow(pass)
  await build(pass)
  if (pass.recording) await assign(pass)
}

/** Inserts as many slots as waiting accounts and the free pool need. If any are missing, inserts a whole batch. */
async function grow({ database, host, row, log }: Pass): Promise<void> {
  const { free, building, dirty } = await countSlots(database, host)
  const waiting = await countWaiting(database, host)
  // A released slot becomes free again and counts for the pool, but a waiting account does not wait for a scrub.
  const lacking = waiting + row.poolFree - free - building - dirty
  const wanted = Math.max(lacking > 0 ? Math.max(lacking, row.poolFree) : 0, waiting - free - building)
  if (wanted <= 0) return
  const added = await insertSlots(database, host, wanted, Math.min(row.poolMax, slotCount(row.layout)))
  if (added > 0) log('slots added', { added })
}

async function build(pass: Pass): Promise<void> {
  const { database, host, row } = pass
  // Without a facility that builds, a slot would become free although nothing of it exists.
  if (!pass.dryRun && !pass.working.some((facility) => facility.build !== undefined)) return
  const rows = await slotsToVisit(database, host, pass.complete)
  const slots = rows
    .filter(({ state, n }) => state !== 'dirty' && n < slotCount(row.layout))
    .map(({ n, state }) => ({ slot: slotAt(row.layout, n), state }))
  if (slots.length > 0) {
    const verdicts = new Map<number, SlotVerdict>()
    for (const facility of pass.working) {
      // A slot that one facility refused skips the facilities after it.
      const left = slots.filter(({ slot }) => (verdicts.get(slot.n)?.status ?? 'ready') === 'ready')
      if (facility.build === undefined || left.length === 0) continue
      const build = facility.build
      const found = await attempt<ReadonlyMap<number, SlotVerdict>>(
        pass,
        facility.name,
        () => build(left, pass.signal),
        {
          planned: new Map(),
          failed: (message) =>
            new Map(left.map(({ slot }) => [slot.n, { status: 'failed', reason: 'build_failed', message }])),
        },
      )
      for (const [n, verdict] of found) verdicts.set(n, verdict)
    }
    if (pass.recording)
      await recordAll(
        pass,
        'slots',
        rows.flatMap((slot) => built(slot, verdicts.get(slot.n))),
        (db, some) => recordSlots(db, host, some),
      )
  }
}

/** Returns the new state of a slot. A taken slot stays taken: the conditions of its account show a problem. */
function built(row: SlotRow, verdict: SlotVerdict | undefined): readonly SlotUpdate[] {
  if (row.state === 'dirty' || row.state === 'taken') return []
  const status = verdict?.status ?? 'ready'
  const to = status === 'ready' ? 'free' : status === 'blocked' ? 'blocked' : 'building'
  return [
    {
      n: row.n,
      from: row.state,
      to,
      evicted: true,
      reason: verdict?.reason ?? null,
      message: verdict?.message ?? null,
    },
  ]
}
