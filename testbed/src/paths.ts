import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The paths of everything that the testbed creates. All are below one folder that git ignores, and all can be deleted. */
export interface TestbedPaths {
  /** The project's root. */
  readonly checkout: string
  /** `var/testbed`. Every path below is inside it. */
  readonly base: string
  /** Built images, by id. */
  readonly images: string
  /** Disks with the dependencies, by the hash of the lock file. */
  readonly dependencies: string
  /** Saved machine states, by id. */
  readonly saved: string
  /** Folders of the running guests, by name. Deleted when a guest ends. */
  readonly guests: string
  /** Results of the last test run, by guest. */
  readonly results: string
  /** The private ssh key of this checkout. The public key is beside it, with `.pub`. */
  readonly key: string
  readonly lock: string
  /** A word in the command line of every guest of this checkout. */
  readonly tag: string
}

/** Returns the paths for a checkout. Pure. */
export function createPaths(checkout: string = fileURLToPath(new URL('../..', import.meta.url))): TestbedPaths {
  const base = join(checkout, 'var/testbed')
  return {
    checkout,
    base,
    images: join(base, 'images'),
    dependencies: join(base, 'dependencies'),
    saved: join(base, 'saved'),
    guests: join(base, 'guests'),
    results: join(base, 'results'),
    key: join(base, 'key'),
    lock: join(base, 'lock'),
    tag: `puppy-testbed-${createHash('sha256').update(base).digest('hex').slice(0, 12)}`,
  }
}
