import type { Database } from '@puppy/state'
import type { Observer } from './observer.ts'

/** What the routes need. */
export interface Dependencies {
  readonly database: Database
  readonly observer: Observer
  /** The facilities that a host must have before a resource can be ready. */
  readonly required: readonly string[]
}
