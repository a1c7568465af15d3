import { isDeepStrictEqual } from 'node:util'
import type { Verdict, Database } from '@puppy/state'
import type { FacilityState, HostRow, PlannedChange } from '@puppy/state/store/hosts'
import type { Facility, Step } from './facilities/facility.ts'

export interface ReconcileContext {
  readonly database: Database
  readonly host: string
  /** In the order in which they serve a slot; `evict` uses the reverse order. This list is the one place of the order. */
  readonly facilities: readonly Facility[]
  readonly dryRun: boolean
  readonly log: (line: string, facts?: object) => void
}

export interface PassOptions {
  /** Look at everything, not only at what is behind. */
  readonly complete: boolean
  /** Only plan, whatever the host is: nothing is applied and nothing recorded but the plan. */
  readonly planOnly?: boolean
  readonly signal: AbortSignal
}

/** What the facilities report of the host. It is kept between passes; a complete pass renews it. */
export interface HostStatus {
  readonly states: Readonly<Record<string, FacilityState>>
  readonly conditions: readonly Verdict[]
  /** What was last put right, by facility. */
  readonly repairs: Readonly<Record<string, Repair>>
}

/** A change by another program that was reverted. */
export interface Repair {
  readonly at: Date
  readonly what: string
}

/** What one pass needs, whatever works on the host. */
export interface PassInput extends ReconcileContext, PassOptions {
  readonly row: HostRow
  /** Filled as the facilities plan. */
  readonly changes: PlannedChange[]
  readonly recording: boolean
}

export interface Pass extends PassInput {
  readonly working: readonly Facility[]
}

/** Runs one facility's part. What it throws concerns only what it was given, and is told as `fallback` makes it. */
export async function attempt<Result>(
  pass: Pick<Pass, 'dryRun' | 'log' | 'signal'> & { readonly changes: PlannedChange[] },
  facility: string,
  step: () => Promise<Step<Result>>,
  otherwise: { readonly planned: Result; readonly failed: (message: string) => Result },
): Promise<Result> {
  try {
    const planned = await step()
    for (const change of planned.changes.map(shown)) {
      // Several steps may wait for the same thing, such as the policy: a person reads it once.
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

/** A change as the database and the API show it. What a facility adds to perform it, such as the text of a module, stays here. */
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
