import type { Config } from '../config.ts'
import { openDatabase, StartError } from '@puppy/state'
import { parseOptions } from '../options.ts'
import { databaseUrls } from '../places.ts'
import { generateKey, insertKey } from '@puppy/state/store/keys'
import { resellerExists } from '@puppy/state/store/resellers'
import { say } from '../say.ts'

/** Runs `puppy key [--reseller NAME]`: creates a key and prints it once. */
export async function key(config: Config, args: readonly string[]): Promise<void> {
  const options = parseOptions(args, { reseller: { type: 'string' } })
  const database = openDatabase({ url: databaseUrls(config).owner, name: 'puppy key', connections: 1 })
  try {
    const reseller = options.reseller ?? 'root'
    if (!(await resellerExists(database, reseller)))
      throw new StartError(
        `Cannot create a key: reseller ${reseller} does not exist; docs/operating.md, "Keys", shows how to create it`,
      )
    const made = generateKey()
    const scopes = options.reseller === undefined ? (['admin'] as const) : (['reseller'] as const)
    await insertKey(database, made, { reseller, scopes, label: 'made by puppy key' })
    say(made)
  } finally {
    await database.end()
  }
}
