import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, Database } from '@puppy/state'
import { observed } from '@puppy/state/store/notify'

/** A row to wait for, until the agent has observed this generation of it or has deleted it. */
export interface Awaited {
  readonly table: 'accounts' | 'domains'
  readonly id: number
  /** Absent: wait until the row is deleted. */
  readonly generation?: number
}

/** Waits for what agents record in the database. */
export interface Observer {
  /** Resolves to true when it has happened, and to false after `milliseconds`. Does not reject when the database is unavailable. */
  wait(what: Awaited, milliseconds: number): Promise<boolean>
  /**
   * Calls `check` at every notification, and resolves to its first value that is not undefined. Resolves to undefined after
   * `milliseconds`.
   */
  waitFor<Value>(check: () => Promise<Value | undefined>, milliseconds: number): Promise<Value | undefined>
  close(): Promise<void>
}

interface Waiter extends Awaited {
  readonly settle: (happened: boolean) => void
}

/** Creates an observer. All waiting requests share one listening connection. It also polls twice a second, without notifications. */
export function createObserver(db: Database): Observer {
  const waiters = new Set<Waiter>()
  const bells = new Set<() => void>()
  const closing = new AbortController()
  const ring = () => {
    for (const bell of bells) bell()
  }
  const listening = listen(db, ring, closing.signal)
  const looking = look(db, waiters, bells, closing.signal)
  return {
    wait: (what, milliseconds) => waitOne(waiters, ring, what, milliseconds),
    waitFor: (check, milliseconds) => waitUntil(bells, check, milliseconds),
    close: async () => {
      closing.abort()
      ring()
      await Promise.all([listening, looking])
    },
  }
}

function waitOne(waiters: Set<Waiter>, ring: () => void, what: Awaited, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (happened: boolean) => {
      clearTimeout(timer)
      waiters.delete(waiter)
      resolve(happened)
    }
    const timer = setTimeout(() => settle(false), milliseconds)
    const waiter: Waiter = { ...what, settle }
    waiters.add(waiter)
    ring()
  })
}

async function waitUntil<Value>(
  bells: Set<() => void>,
  check: () => Promise<Value | undefined>,
  milliseconds: number,
): Promise<Value | undefined> {
  for (const until = Date.now() + milliseconds; ;) {
    // Before the check, so that a notification during the check is not missed.
    const bell = nextBell(bells, Math.min(500, Math.max(0, until - Date.now())))
    const value = await check()
    if (value !== undefined || Date.now() >= until) return value
    await bell
  }
}

async function nextBell(bells: Set<() => void>, milliseconds: number): Promise<void> {
  const stop = new AbortController()
  const bell = () => stop.abort()
  bells.add(bell)
  await sleep(milliseconds, undefined, { signal: stop.signal }).catch(() => {})
  bells.delete(bell)
}

async function listen(db: Database, ring: () => void, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    let client: Connection | undefined
    try {
      client = await db.connect()
      const lost = new Promise<void>((resolve) => client?.once('end', resolve))
      client.on('notification', ring)
      await client.query(`listen ${observed}`)
      ring()
      await Promise.race([lost, aborted(closing)])
    } catch {
      // The database is unavailable: each request reports that itself, and this loop connects again.
      await sleep(500, undefined, { signal: closing }).catch(() => {})
    }
    await client?.end().catch(() => {})
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function look(db: Database, waiters: Set<Waiter>, bells: Set<() => void>, closing: AbortSignal): Promise<void> {
  while (!closing.aborted) {
    const bell = nextBell(bells, 500)
    if (waiters.size > 0) await settleSome(db, [...waiters]).catch(() => {})
    await bell
  }
  for (const waiter of waiters) waiter.settle(false)
}

async function settleSome(db: Database, waiters: readonly Waiter[]): Promise<void> {
  const ids = (table: Awaited['table']) => waiters.filter((waiter) => waiter.table === table).map(({ id }) => id)
  const rows = await db.query<{ table: string; id: number; seen: number }>(
    `select 'accounts' as table, id, observed_generation as seen from accounts where id = any($1)
     union all select 'domains', id, observed_generation from domains where id = any($2)`,
    [ids('accounts'), ids('domains')],
  )
  const seen = new Map(rows.map((row) => [`${row.table} ${row.id}`, row.seen]))
  for (const waiter of waiters) {
    const at = seen.get(`${waiter.table} ${waiter.id}`)
    if (at === undefined || (waiter.generation !== undefined && at >= waiter.generation)) waiter.settle(true)
  }
}
