import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { openDatabase, StartError } from '@puppy/state'
import { printable } from '@puppy/host/errors'
import { databaseUrls } from '../places.ts'
import { askForPlan, findHost } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { say } from '../say.ts'

/** Runs `puppy plan`: prints what the agent of this host would change now, one line for each change. */
export async function plan(config: Config): Promise<void> {
  const database = openDatabase({ url: databaseUrls(config).owner, name: 'puppy plan', connections: 1 })
  try {
    const number = await database.transaction(async (tx) => {
      await notify(tx, wanted, config.host)
      return askForPlan(tx, config.host)
    })
    if (number === undefined)
      throw new StartError(
        `Cannot plan: host ${config.host} is not registered; start its agent with "npm start" on that host`,
      )
    for (const until = Date.now() + 30_000; ; await sleep(100)) {
      const row = await findHost(database, config.host)
      if (row !== undefined && row.planMade >= number) {
        for (const { facility, target, action, command } of row.changes)
          say([facility, target, action, command ?? ''].filter(Boolean).map(printable).join('\t'))
        say(`${row.changes.length} changes`)
        return
      }
      if (Date.now() > until)
        throw new StartError(
          `The agent of host ${config.host} made no plan within 30 s; run "npm run puppy -- doctor" to see whether it runs`,
        )
    }
  } finally {
    await database.end()
  }
}
