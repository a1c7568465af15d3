import type { Database } from '@puppy/state'
import type { Observer } from './observer.ts'

/** What routes work with. */
export interface Dependencies {
  readonly database: Database
  readonly observer: Observer
  /** Facilities without which nothing is ready. */
  readonly required: readonly string[]
}
