import { isDeepStrictEqual } from 'node:util'
import type { Verdict, Database } from '@puppy/state'
import type { FacilityState, HostRow, PlannedChange } from '@puppy/state/store/hosts'
import type { Facility, Step } from './facilities/facility.ts'

/** What every pass of an agent uses. */
export interface ReconcileContext {
  readonly database: Database
  readonly host: string
  /** The facilities in the order in which they serve a slot. `evict` uses the reverse order. */
  readonly facilities: readonly Facility[]
  readonly dryRun: boolean
  readonly log: (line: string, facts?: object) => void
}

/** How one pass runs. */
export interface PassOptions {
  /** Whether the pass observes everything, and not only rows that changed since they were observed. */
  readonly complete: boolean
  /** Whether the pass only plans: it applies nothing and records only the plan. */
  readonly planOnly?: boolean
  readonly signal: AbortSignal
}

/** What the facilities report about the host. It is kept between passes. A complete pass reads it again. */
export interface HostStatus {
  readonly states: Readonly<Record<string, FacilityState>>
  readonly conditions: readonly Verdict[]
  /** The last repair of each facility. */
  readonly repairs: Readonly<Record<string, Repair>>
}

/** A change from outside Puppy that was reverted. */
export interface Repair {
  readonly at: Date
  readonly what: string
}

/** The input of one pass, before it is known which facilities work. */
export interface PassInput extends ReconcileContext, PassOptions {
  readonly row: HostRow
  /** The planned changes. The facilities add to it while they plan. */
  readonly changes: PlannedChange[]
  readonly recording: boolean
}

/** One pass, with the facilities that work. */
export interface Pass extends PassInput {
  readonly working: readonly Facility[]
}

/**
 * Runs one step of one facility. An error affects only what this step was called for: it is logged, and `otherwise.failed` makes the
 * result. In a dry run the result is what the step foresees, or `otherwise.planned`.
 */
export async function attempt<Result>(
  pass: Pick<Pass, 'dryRun' | 'log' | 'signal'> & { readonly changes: PlannedChange[] },
  facility: string,
  step: () => Promise<Step<Result>>,
  otherwise: { readonly planned: Result; readonly failed: (message: string) => Result },
): Promise<Result> {
  try {
    const planned = await step()
    for (const change of planned.changes.map(shown)) {
      // Several steps may plan the same change, such as loading the policy. It is shown once.
      if (!pass.changes.some((other) => isDeepStrictEqual(other, change))) pass.changes.push(change)
    }
    return pass.dryRun ? (planned.foreseen ?? otherwise.planned) : await planned.apply()
  } catch (error) {
    pass.signal.throwIfAborted()
    const message = error instanceof Error ? error.message : 'failed without an error message'
    pass.log(`${facility} failed`, { error: message, stack: error instanceof Error ? error.stack : undefined })
    return otherwise.failed(message)
  }
}

/** Returns a change as the database and the API show it, without what a facility adds to perform it, such as the text of a module. */
function shown({ facility, target, action, before, after, command }: PlannedChange): PlannedChange {
  return {
    facility,
    target,
    action,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(command === undefined ? {} : { command }),
  }
}
