import { openHaproxy } from '@puppy/haproxy'
import { runsSystemd } from '@puppy/host'
import { openQuota } from '@puppy/quota'
import { type Facility, type View, facilitiesOf, checkView } from '@puppy/agent'
import type { Config } from '../config.ts'
import { openDatabase, missingLayers } from '@puppy/state'
import { databaseUrls } from '../places.ts'
import { openHosts, proxySettings, firewallSettings } from '../wiring.ts'
import { listHosts, type FacilityState } from '@puppy/state/store/hosts'
import { readBuiltSlots } from '@puppy/state/store/slots'
import { installLine, missingNeeds } from '../system-packages.ts'
import { findOwn } from '../system-users.ts'
import { say } from '../say.ts'

/** Runs `puppy doctor`: reports what works on this host, what does not, and what to do. The exit status is 1 if anything does not work. */
export async function doctor(config: Config): Promise<void> {
  const { machine, host } = openHosts(config)
  const users = config.live ? await findOwn(machine) : undefined
  const site = { config, host, users, systemd: await runsSystemd(host) }
  const settings = proxySettings(site)
  const haproxy = openHaproxy(machine, settings)
  const { facilities } = facilitiesOf({
    machine,
    host,
    layout: config.layout,
    haproxy,
    proxy: settings,
    runDir: config.runDir,
    quota: openQuota(host, config.layout.homes),
    firewall: firewallSettings(site, haproxy),
  })
  const states: Record<string, FacilityState> = {}
  for (const facility of facilities) {
    const state = await facility.probe(AbortSignal.timeout(30_000))
    states[facility.name] = state
    report(state.works, `${facility.name}${state.version === undefined ? '' : ` ${state.version}`}`, problemOf(state))
  }
  const missing = missingNeeds((program) => machine.program(program) !== undefined)
  if (missing.length > 0) report(false, 'packages', `run "${installLine(missing)}"`)
  report(
    site.systemd,
    'systemd',
    'it does not run this host, so a tenant’s user services end with its last login (no linger)',
  )
  report(await haproxy.alive(), 'haproxy process', 'not running; start it with "npm start"')
  const view = await checkDatabase(config)
  if (view !== undefined) {
    await inspect(
      facilities.filter(({ name }) => states[name]?.works === true),
      view,
    )
  }
  say(`Missing isolation layers: ${missingLayers(states).join(', ') || 'none'}`)
}

/** Returns why a facility does not work and what to do. Some reasons end with the remedy already. Pure. */
export function problemOf({ reason, remedy }: FacilityState): string | undefined {
  if (reason === undefined || remedy === undefined) return reason ?? remedy
  return reason.includes(remedy) ? reason : `${reason}; to enable it: ${remedy}`
}

function report(works: boolean, what: string, otherwise?: string): void {
  say(`${works ? 'ok    ' : 'NOT OK'} ${what}${works || otherwise === undefined ? '' : `: ${otherwise}`}`)
  if (!works) process.exitCode = 1
}

/** Prints what the facilities find when they compare the host with the spec in the database. */
async function inspect(facilities: readonly Facility[], view: View): Promise<void> {
  for (const facility of facilities) {
    try {
      const findings = (await facility.inspect?.(view, AbortSignal.timeout(30_000))) ?? []
      for (const { works, what, otherwise } of findings) report(works, what, otherwise)
    } catch (error) {
      report(false, facility.name, error instanceof Error ? error.message : undefined)
    }
  }
}

/** Returns the spec of this host from the database. Undefined when the database does not answer or the host is not registered. */
async function checkDatabase(config: Config): Promise<View | undefined> {
  const database = openDatabase({ url: databaseUrls(config).owner, name: 'puppy doctor', connections: 1 })
  try {
    const hosts = await listHosts(database)
    report(true, 'database')
    for (const { name, alive } of hosts)
      report(alive, `agent of ${name}`, 'no heartbeat in the last 10 seconds; start it with "npm start" on that host')
    const layout = hosts.find(({ name }) => name === config.host)?.layout
    if (layout === undefined) return undefined
    const builtSlots = await readBuiltSlots(database, config.host)
    return checkView(layout, [], [], { complete: true, builtSlots }).view
  } catch (error) {
    report(false, 'database', error instanceof Error ? error.message : undefined)
    return undefined
  } finally {
    await database.end()
  }
}
