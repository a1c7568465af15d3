import type { Subject } from '@puppy/host/conformance'
import type { FirewallChangeSet, FirewallResult, FirewallSpec, ObservedTable } from '../../src/index.ts'
import { targetsOf } from '../../src/plan.ts'
import { tableOf } from '../../src/rules/table.ts'
import { settings } from './settings.ts'

type FirewallSubject = Subject<FirewallSpec, ObservedTable | undefined, FirewallChangeSet, FirewallResult>

/** The subject of the common conformance suite, without its worlds. No part of a table is refused alone: it is one transaction. */
export const subject: Pick<FirewallSubject, 'spec' | 'targets'> = {
  spec: settings,
  targets: targetsOf(tableOf('puppy', settings)),
}
