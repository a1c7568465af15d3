import type { Database } from '@puppy/state'
import type { Observer } from './observer.ts'

/** What the routes need. */
export interface Dependencies {
  readonly database: Database
  readonly observer: Observer
  /** The facilities that a host must have before a resource can be ready. */
  readonly required: readonly string[]
  /** How much a reseller can have. They do not apply to the reseller root. */
  readonly most: { readonly accounts: number; readonly domains: number }
}
