import { isDeepStrictEqual } from 'node:util'
import type { Verdict, Database, Queryable } from '@puppy/state'
import { recordEach } from '@puppy/state/store/record'
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
  /** The parts of the last pass that failed, with the reason. Each is tried again in the next pass. */
  readonly failures: Readonly<Record<string, string>>
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
  /** The parts that failed, with the reason. The pass adds to it. */
  readonly failures: Record<string, string>
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

/**
 * Runs one part of a pass. An error affects only this part: it is logged, kept for the host's condition `agent`, and `otherwise` is the
 * result. A pass that was aborted ends.
 */
export async function partOf<Result>(
  pass: Pick<PassInput, 'log' | 'signal' | 'failures'>,
  name: string,
  work: () => Promise<Result>,
  otherwise: Result,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    pass.signal.throwIfAborted()
    const message = error instanceof Error ? error.message : 'failed without an error message'
    pass.log(`A part of a pass failed and will run again: ${name}`, {
      error: message,
      stack: error instanceof Error ? error.stack : undefined,
    })
    pass.failures[name] = message
    return otherwise
  }
}

/**
 * Records items with `recordEach`. Items that the database refused are logged, kept for the host's condition `agent`, and recorded again in
 * the next pass.
 */
export async function recordAll<Item>(
  pass: Pick<PassInput, 'database' | 'log' | 'failures'>,
  what: string,
  items: readonly Item[],
  write: (db: Queryable, items: readonly Item[]) => Promise<unknown>,
): Promise<void> {
  const refused = await recordEach(pass.database, items, write)
  const [first] = refused
  if (first === undefined) return
  const message = `${refused.length} of ${items.length} could not be recorded: ${first.message}`
  pass.log(`The database refused ${what}`, { error: message })
  pass.failures[`record ${what}`] = message
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
