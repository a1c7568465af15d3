import { createApp, createObserver, listen } from '@puppy/api'
import { createHost } from '@puppy/host'
import type { Config } from '../config.ts'
import { openDatabase } from '@puppy/state'
import { databaseUrls, placesOf } from '../places.ts'
import { dropRoot, ensureSystemUsers } from '../system-users.ts'
import { untilToldToEnd } from './signals.ts'

/** Runs `puppy api`: serves HTTP until SIGINT or SIGTERM. Loads everything first, then drops root, then listens. */
export async function api(config: Config): Promise<void> {
  const machine = createHost()
  // `up` writes this file too, but may be killed before it does.
  await placesOf(config).api.write(process.pid)
  const users = await ensureSystemUsers(machine, config)
  const database = openDatabase({ url: databaseUrls(config).api, name: 'puppy api', connections: 20 })
  const observer = createObserver(database)
  const dependencies = { database, observer, required: config.require, most: config.most }
  const app = await createApp(dependencies, {
    logger: { level: config.logLevel === 'info' ? 'warn' : config.logLevel },
  })
  try {
    if (users !== undefined) dropRoot(users.api)
    await listen(app, config.listen)
    await untilToldToEnd()
  } finally {
    await observer.close()
    await app.close()
    await database.end()
  }
}
