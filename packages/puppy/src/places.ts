import { join } from 'node:path'
import { embeddedUrls } from '@puppy/state'
import type { Config } from './config.ts'
import { pidFile } from './pid-file.ts'

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
