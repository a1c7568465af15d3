import { setTimeout as sleep } from 'node:timers/promises'
import type { Firewall } from '@puppy/firewall'
import type { Haproxy } from '@puppy/haproxy'
import type { Host } from '@puppy/host'
import type { Quota } from '@puppy/quota'
import { HostBusy, StartError, type Connection } from '@puppy/state'
import { trimAudit } from '@puppy/state/store/audit'
import { beat, findHost, registerHost, type Registration } from '@puppy/state/store/hosts'
import { takeLease } from '@puppy/state/store/leases'
import { wanted } from '@puppy/state/store/notify'
import type { HaproxyFacility } from './facilities/haproxy.ts'
import { sampleDisk } from './disk.ts'
import { sampleProcesses } from './process-usage.ts'
import { scrub } from './release.ts'
import type { HostStatus, ReconcileContext } from './pass.ts'
import { HostGone, reconcile } from './reconcile.ts'
import { refill } from './slots.ts'
import { sampleListeners, sampleUsage } from './samples.ts'
import { sampleTraffic } from './traffic.ts'

/** What `runAgent` needs. */
export interface AgentOptions extends ReconcileContext {
  readonly registration: Registration
  readonly machine: Host
  /** Days for which the entries of the audit are kept. */
  readonly auditDays: number
  /** Absent in a dry run, which starts no HAProxy. */
  readonly proxy?: { readonly facility: HaproxyFacility; readonly haproxy: Haproxy }
  /** The firewall whose counters are recorded as traffic. Absent in a dry run, which records nothing. */
  readonly firewall?: Pick<Firewall, 'traffic'>
  /** The quota that counts disk use. Absent in a dry run. */
  readonly quota?: Pick<Quota, 'report'>
}

const pollEvery = 2000
const completeEvery = 60_000
/** Milliseconds until a complete pass after a facility failed. The cause may end soon, such as a busy port or a full disk. */
const retryEvery = 5000
/** Milliseconds until the next pass after one that could not run. They double with each such pass. */
const [firstPause, longestPause] = [500, 60_000]
/** While requests come more often than this, slots are built only for accounts that wait for one. */
const quiet = 250
const sampleEvery = 2000
/** If the table is deleted, the counts since the last sample are lost. Each sample runs nft once, which lists all tenants. */
const meterEvery = 5000
/** Each sample runs repquota once, which lists all tenants. */
const diskEvery = 10_000
const reviveEvery = 250
const trimEvery = 600_000
/** The entries of one reseller that the audit keeps. They take less than 100 MB. */
const auditEntries = 50_000

/**
 * Makes one host match the database until `signal` aborts.
 *
 * Uses a separate database connection that has the lease of the host and listens for notifications. When this connection is lost, the lease
 * is lost too, and all running work is aborted. A pass that fails is logged and tried again, with longer and longer pauses.
 *
 * @throws HostBusy when another agent manages this host. StartError when the host's name belongs to another machine, or when its slots were
 * built with another layout. HostGone when the host was deleted. Error when the connection is lost.
 */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const client = await options.database.connect()
  const lost = new AbortController()
  client.once('end', () =>
    lost.abort(new Error(`Lost the database connection that has the lease of host ${options.host}`)),
  )
  const both = AbortSignal.any([signal, lost.signal])
  try {
    await takeHost(client, options, both)
    await work(options, client, both)
    lost.signal.throwIfAborted()
  } catch (error) {
    if (!signal.aborted) throw lost.signal.aborted ? lost.signal.reason : error
  } finally {
    await client.end().catch(() => {})
  }
}

async function takeHost(
  client: Connection,
  { database, registration, host }: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  // The server may keep the session of an agent that was just killed, and its lease, for a moment.
  for (let attempt = 0; !(await takeLease(client, host)); attempt += 1) {
    if (attempt >= 50)
      throw new HostBusy(
        `Cannot manage host ${host}: another agent manages it; stop that agent, or set another PUPPY_HOST for this one`,
      )
    await sleep(100, undefined, { signal })
  }
  const row = await registerHost(database, registration)
  if (row === undefined)
    throw new StartError(
      `Cannot register host ${host}: its row in the database was deleted meanwhile; start the agent again`,
    )
  if (row.machineId !== registration.machineId) {
    throw new StartError(
      `Cannot manage host ${host}: the name belongs to another machine (${row.machineId}); set another PUPPY_HOST for this one`,
    )
  }
  if (JSON.stringify(sorted(row.layout)) !== JSON.stringify(sorted(registration.layout))) {
    const { firstUid, firstPort } = row.layout
    const settings = `PUPPY_FIRST_UID=${firstUid} and PUPPY_FIRST_PORT=${firstPort}`
    throw new StartError(`Cannot manage host ${host}: its slots were built with ${settings}; set both to these values`)
  }
}

function sorted(value: object): unknown {
  return Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
}

/** Creates a bell. A ring while no caller waits is remembered: the next `wait` returns at once. */
function createBell() {
  let rung = false
  let wake = () => {}
  return {
    ring: () => {
      rung = true
      wake()
    },
    /** Waits for a ring or until the time is over. Resolves to whether the bell rang. */
    wait: async (milliseconds: number, signal: AbortSignal): Promise<boolean> => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            resolve()
          }
          const timer = setTimeout(done, milliseconds)
          wake = done
          signal.addEventListener('abort', done, { once: true })
          if (signal.aborted) done()
        })
      }
      const was = rung
      rung = false
      return was
    },
  }
}

async function work(options: AgentOptions, client: Connection, told: AbortSignal): Promise<void> {
  const failed = new AbortController()
  const signal = AbortSignal.any([told, failed.signal])
  const bell = createBell()
  client.on('notification', ({ payload }) => {
    if (payload === options.host) bell.ring()
  })
  await client.query(`listen ${wanted}`)
  let hostStatus: HostStatus | undefined
  let completeAt = 0
  const background = [
    every(pollEvery, signal, options, () => beat(options.database, options.host)),
    every(sampleEvery, signal, options, () => sample(options, signal)),
    every(meterEvery, signal, options, async () => {
      if (await meter(options, hostStatus, signal)) return
      completeAt = 0
      bell.ring()
    }),
    every(meterEvery, signal, options, () => count(options, hostStatus)),
    every(diskEvery, signal, options, () => measureDisk(options, hostStatus, signal)),
    every(reviveEvery, signal, options, () => revive(options, signal)),
    every(trimEvery, signal, options, () => trim(options)),
    every(500, signal, options, async () => {
      if (hostStatus !== undefined && (await scrub(options, hostStatus, signal)) > 0) bell.ring()
    }),
  ]
  try {
    let pause = firstPause
    let retryIn = retryEvery
    while (!signal.aborted) {
      try {
        const complete = Date.now() >= completeAt || options.dryRun
        if (complete) completeAt = Date.now() + completeEvery
        hostStatus = await reconcile(options, { complete, signal }, hostStatus)
        const failed = hostStatus.conditions.some(({ reason }) => reason === 'failed')
        if (Object.keys(hostStatus.failures).length > 0 || (complete && failed)) {
          completeAt = Math.min(completeAt, Date.now() + retryIn)
          if (complete) retryIn = Math.min(retryIn * 2, completeEvery)
        } else if (complete) retryIn = retryEvery
        if (await planIsWanted(options)) await reconcile(options, { complete: true, planOnly: true, signal })
        pause = firstPause
        if (await bell.wait(quiet, signal)) continue
        if (!signal.aborted) await refill(options, hostStatus, signal)
        await bell.wait(pollEvery - quiet, signal)
      } catch (error) {
        if (error instanceof HostGone) throw error
        if (signal.aborted) break
        options.log('A pass failed and will run again', {
          error: error instanceof Error ? error.message : 'failed without an error message',
          stack: error instanceof Error ? error.stack : undefined,
        })
        // A notification does not end this pause: what failed may fail at once again.
        await sleep(pause, undefined, { signal }).catch(() => {})
        pause = Math.min(pause * 2, longestPause)
        completeAt = 0
      }
    }
  } finally {
    failed.abort()
    await Promise.all(background)
  }
}

async function planIsWanted({ database, host, dryRun }: AgentOptions): Promise<boolean> {
  if (dryRun) return false
  const row = await findHost(database, host)
  return row !== undefined && row.planWanted !== row.planMade
}

async function sample({ database, host, machine, proxy }: AgentOptions, signal: AbortSignal): Promise<void> {
  await sampleListeners(database, host, machine)
  if (proxy !== undefined) await sampleUsage(database, host, proxy.haproxy, signal)
}

/**
 * Records traffic. Records nothing where the firewall does not work: no rule counted there, and zero would be wrong.
 *
 * Returns whether the counters exist. If not, the firewall rules do not exist either, and the caller starts a complete pass at once.
 */
async function meter(
  { database, host, machine, registration: { layout }, firewall }: AgentOptions,
  hostStatus: HostStatus | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (firewall === undefined || hostStatus?.states['firewall']?.works !== true) return true
  return sampleTraffic(database, host, { machine, layout, firewall }, signal)
}

/** Records use by processes. Does nothing where cgroups do not work, and in a dry run. */
async function count(
  { database, host, machine, dryRun, registration: { layout } }: AgentOptions,
  hostStatus: HostStatus | undefined,
): Promise<void> {
  if (dryRun || hostStatus?.states['cgroups']?.works !== true) return
  await sampleProcesses(database, host, { machine, layout })
}

/** Records disk use. Where quota does not work, the last figures are deleted. */
async function measureDisk(
  { database, host, registration: { layout }, quota }: AgentOptions,
  hostStatus: HostStatus | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (quota === undefined || hostStatus === undefined) return
  const works = hostStatus.states['quota']?.works === true
  await sampleDisk(database, host, works ? { layout, quota } : undefined, signal)
}

/** Deletes old entries of the audit. The API may not, because an attacker who controls it would delete its traces. */
async function trim({ database, dryRun, auditDays }: AgentOptions): Promise<void> {
  if (!dryRun) await trimAudit(database, { days: auditDays, entries: auditEntries })
}

async function revive({ proxy, log }: AgentOptions, signal: AbortSignal): Promise<void> {
  if ((await proxy?.facility.revive(signal)) === true) log('HAProxy was not running and was started again')
}

/** Runs work repeatedly until aborted. Logs a failure, once as long as the message is the same, and runs the work again. */
async function every(
  milliseconds: number,
  signal: AbortSignal,
  { log }: AgentOptions,
  work: () => Promise<void>,
): Promise<void> {
  let told = ''
  while (!signal.aborted) {
    try {
      await work()
      told = ''
    } catch (error) {
      const message = error instanceof Error ? error.message : 'failed without an error message'
      if (!signal.aborted && message !== told) log('A background task failed and will run again', { error: message })
      told = message
    }
    await sleep(milliseconds, undefined, { signal }).catch(() => {})
  }
}
