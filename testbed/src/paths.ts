import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the testbed keeps what it makes: all of it below one ignored folder, and all of it can be deleted. */
export interface TestbedPaths {
  /** The project's root. */
  readonly checkout: string
  /** `var/testbed`, which no path below is outside of. */
  readonly base: string
  /** Built images, by id. */
  readonly images: string
  /** Disks with the dependencies, by the lock file's hash. */
  readonly dependencies: string
  /** Machine states that guests go on from, by id. */
  readonly saved: string
  /** Running guests, by name; gone when they end. */
  readonly guests: string
  /** What the last test run brought back, by guest. */
  readonly results: string
  /** The private key of this checkout; `.pub` beside it. */
  readonly key: string
  readonly lock: string
  /** In the process list of every guest of this checkout. */
  readonly tag: string
}

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
