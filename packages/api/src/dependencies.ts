import type { Database } from '@puppy/state'
import type { Observer } from './observer.ts'
import type { SshKeyCheck } from './actions/ssh-keys.ts'

/** What routes work with. */
export interface Dependencies {
  readonly database: Database
  readonly observer: Observer
  readonly checkSshKeys: SshKeyCheck
  /** Facilities without which nothing is ready. */
  readonly required: readonly string[]
}
