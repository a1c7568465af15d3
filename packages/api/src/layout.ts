import { join } from 'node:path'
import { slotCount } from '@puppy/accounts'
import { createHost, type Host } from '@puppy/host'
import type { ProxySettings } from '@puppy/haproxy'
import { systemdRuns, type Config } from './config.ts'
import { embeddedUrls } from './database/embedded.ts'
import { pidFile } from './processes.ts'
import type { SystemUsers } from './system-users.ts'

/** Where our files are, below the state folder and the run folder. */
export function placesOf(config: Pick<Config, 'stateDir' | 'runDir'>) {
  const { stateDir, runDir } = config
  return {
    adminKey: join(stateDir, 'admin-key'),
    logs: join(stateDir, 'log'),
    proxy: join(stateDir, 'haproxy'),
    machineId: join(stateDir, 'machine-id'),
    /** How the slots here were numbered, for a purge that is told nothing or something else. */
    slots: join(stateDir, 'slots.json'),
    upLock: join(stateDir, 'up.lock'),
    up: pidFile(join(runDir, 'up.pid')),
    api: pidFile(join(runDir, 'api.pid')),
    agent: pidFile(join(runDir, 'agent.pid')),
  }
}

/** Where each role connects. */
export function databaseUrls(config: Config) {
  const embedded = embeddedUrls(config)
  return {
    owner: config.urls.owner ?? embedded.owner,
    api: config.urls.api ?? embedded.api,
    agent: config.urls.agent ?? embedded.agent,
  }
}

/** The machine itself, and the host that carries tenants: the same unless a root folder stands in its place. */
export function openHosts(config: Pick<Config, 'live' | 'root'>): { readonly machine: Host; readonly host: Host } {
  const machine = createHost()
  return { machine, host: config.live ? machine : createHost({ root: config.root }) }
}

export function proxySettings(config: Config, users: SystemUsers | undefined): ProxySettings {
  const { certificates, listen, tlsListen } = config.proxy
  return {
    folder: placesOf(config).proxy,
    runFolder: join(config.runDir, 'haproxy'),
    listen,
    ...(certificates === undefined ? {} : { tls: { listen: tlsListen, certificates } }),
    firstPort: config.layout.firstPort,
    portsPerSlot: config.layout.portsPerSlot,
    slots: slotCount(config.layout),
    connectionsPerTenant: 200,
    ...users?.haproxy,
    ...(systemdRuns(config) ? { service: 'puppy-haproxy' } : {}),
  }
}
