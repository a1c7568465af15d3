import './api.ts'
import { notCompiled } from '../api-process.ts'
import { hasStripper } from '../restart.ts'

/**
 * Runs `puppy compile`: loads the code of the API and ends. It shows whether a user can read the code, and whether the code is in Node's
 * compile cache. At the end Node writes the cache, if the user may.
 */
export async function compile(): Promise<void> {
  if (hasStripper()) process.exitCode = notCompiled
}
