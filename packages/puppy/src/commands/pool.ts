import { slotCount } from '@puppy/accounts/slots'
import type { Config } from '../config.ts'
import { openDatabase, StartError } from '@puppy/state'
import { parseOptions } from '../options.ts'
import { databaseUrls } from '../places.ts'
import { findHost, setPool } from '@puppy/state/store/hosts'
import { notify, wanted } from '@puppy/state/store/notify'
import { countSlots } from '@puppy/state/store/slots'
import { say } from '../say.ts'

/** Runs `puppy pool [--free N] [--max N]`: prints the slots of this host, and sets how many stay free and how many there may be. */
export async function pool(config: Config, args: readonly string[]): Promise<void> {
  const options = parseOptions(args, { free: { type: 'string' }, max: { type: 'string' } })
  const database = openDatabase({ url: databaseUrls(config).owner, name: 'puppy pool', connections: 1 })
  try {
    const row = await findHost(database, config.host)
    if (row === undefined)
      throw new StartError(
        `Cannot read the pool: host ${config.host} is not registered; start its agent with "npm start" on that host`,
      )
    const spec = { free: number('free', options.free, row.poolFree), max: number('max', options.max, row.poolMax) }
    if (spec.max > slotCount(row.layout))
      throw new StartError(
        `--max ${spec.max} is too large: host ${config.host} has ports for ${slotCount(row.layout)} slots`,
      )
    if (await setPool(database, config.host, spec)) await notify(database, wanted, config.host)
    say(JSON.stringify({ host: config.host, ...spec, slots: await countSlots(database, config.host) }, undefined, 2))
  } finally {
    await database.end()
  }
}

function number(name: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise
  if (!/^\d{1,5}$/.test(given)) throw new StartError(`--${name} ${given} is invalid; expected a number of slots`)
  return Number(given)
}
