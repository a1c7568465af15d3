import { join } from 'node:path'
import { createHost } from '@puppy/host'
import { openPidFile } from '@puppy/host/process'
import { embeddedUrls } from '@puppy/state'
import type { Config } from './config.ts'

const machine = createHost()

/** Returns the paths of Puppy's files below the state folder and the run folder. */
export function placesOf(config: Pick<Config, 'stateDir' | 'runDir'>) {
  const { stateDir, runDir } = config
  return {
    adminKey: join(stateDir, 'admin-key'),
    logs: join(stateDir, 'log'),
    proxy: join(stateDir, 'haproxy'),
    machineId: join(stateDir, 'machine-id'),
    /** The layout of the slots on this host. A purge uses it, whatever the settings are then. */
    slots: join(stateDir, 'slots.json'),
    upLock: join(stateDir, 'up.lock'),
    up: openPidFile(machine, join(runDir, 'up.pid')),
    api: openPidFile(machine, join(runDir, 'api.pid')),
    agent: openPidFile(machine, join(runDir, 'agent.pid')),
  }
}

/** Returns the database URL of each role. */
export function databaseUrls(config: Config) {
  const embedded = embeddedUrls(config)
  return {
    owner: config.urls.owner ?? embedded.owner,
    api: config.urls.api ?? embedded.api,
    agent: config.urls.agent ?? embedded.agent,
  }
}
