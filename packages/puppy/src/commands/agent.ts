import { randomUUID } from 'node:crypto'
import { openHaproxy } from '@puppy/haproxy'
import { runsSystemd, type Host } from '@puppy/host'
import { openQuota } from '@puppy/quota'
import { runAgent, facilitiesOf } from '@puppy/agent'
import type { Config } from '../config.ts'
import { openDatabase } from '@puppy/state'
import { databaseUrls, placesOf } from '../places.ts'
import { openHosts, proxySettings, firewallSettings } from '../wiring.ts'
import { ensureSystemUsers, findOwn } from '../system-users.ts'
import { untilToldToEnd } from './signals.ts'
import { slotCount } from '@puppy/accounts/slots'
import { say } from '../say.ts'

/** Runs `puppy agent`: makes this host match the database until SIGINT or SIGTERM. */
export async function agent(config: Config): Promise<void> {
  const { machine, host } = openHosts(config)
  // `up` writes this file too, but may be killed before it does.
  await placesOf(config).agent.write(process.pid)
  const users = config.live ? await findOwn(machine) : await ensureSystemUsers(machine, config)
  const site = { config, host, users, systemd: await runsSystemd(host) }
  const settings = proxySettings(site)
  const haproxy = openHaproxy(machine, settings)
  const firewallOptions = firewallSettings(site, haproxy)
  const quota = openQuota(host, config.layout.homes)
  const ending = new AbortController()
  const { facilities, proxy } = facilitiesOf({
    machine,
    host,
    layout: config.layout,
    haproxy,
    proxy: settings,
    runDir: config.runDir,
    quota,
    firewall: firewallOptions,
    signal: ending.signal,
  })
  const url = databaseUrls(config).agent
  const database = openDatabase({ url, name: 'puppy agent', connections: 5, lockTimeout: 3000 })
  void untilToldToEnd().then((signal) => ending.abort(new Error(`The agent was stopped by ${signal}`)))
  const locks = await lockHosts(config, machine, host, ending.signal)
  try {
    await runAgent(
      {
        database,
        host: config.host,
        facilities,
        dryRun: config.dryRun,
        auditDays: config.auditDays,
        log,
        machine,
        registration: {
          name: config.host,
          machineId: await machineIdOf(config, machine),
          layout: config.layout,
          mode: config.dryRun ? 'dry_run' : config.live ? 'live' : 'folder',
          poolFree: config.pool,
          poolMax: slotCount(config.layout),
        },
        ...(config.dryRun ? {} : { proxy: { facility: proxy, haproxy }, firewall: firewallOptions.firewall, quota }),
      },
      ending.signal,
    )
  } finally {
    await database.end()
    for (const lock of locks) await lock.release()
  }
}

/**
 * Locks the machine and the host, so that one agent at a time changes a host. Waits for the programs that a killed agent left behind, and
 * ends those that do not end. A program has the marks of the host that runs it, so both hosts have a lock.
 */
async function lockHosts(config: Config, machine: Host, host: Host, signal: AbortSignal) {
  const options = { timeout: 120_000, signal, purpose: 'puppy agent' }
  const locks = [await machine.lock(`${config.stateDir}/agent.lock`, options)]
  if (host !== machine && !config.dryRun) {
    await host.makeFolder('/var/lib/puppy', { mode: 0o711 })
    locks.push(await host.lock('/var/lib/puppy/host.lock', options))
  }
  return locks
}

/** Returns the id of the machine. For a host that is a folder, creates one and stores it in the state folder. @see machine-id(5) */
async function machineIdOf(config: Config, machine: Host): Promise<string> {
  const own = config.live ? (await machine.read('/etc/machine-id'))?.trim() : undefined
  if (own !== undefined && /^[0-9a-f]{32}$/.test(own)) return own
  const { machineId } = placesOf(config)
  const kept = (await machine.read(machineId))?.trim()
  if (kept !== undefined && kept !== '') return kept
  const made = randomUUID().replaceAll('-', '')
  await machine.replace(machineId, `${made}\n`, { mode: 0o644 })
  return made
}

const told = new Map<string, number>()

/** Writes a line. Repeats the same line only after ten minutes, because a pass that fails may run every few seconds. */
function log(line: string, facts: object = {}): void {
  const text = JSON.stringify({ message: line, ...facts })
  const now = Date.now()
  if (now - (told.get(text) ?? 0) < 600_000) return
  if (told.size > 1000) told.clear()
  told.set(text, now)
  say(JSON.stringify({ time: new Date(now).toISOString(), message: line, ...facts }))
}
