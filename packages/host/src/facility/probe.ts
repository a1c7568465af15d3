import type { FacilityError } from './error.ts'

/** Whether one part of a facility works on this machine. */
export interface FeatureProbe {
  readonly works: boolean
  /** Why the feature does not work, as a sentence. Absent when it works. */
  readonly reason?: string
  /** Commands or actions for an operator that would enable it, in order. Empty when it works, or when nothing would help. */
  readonly steps: readonly string[]
}

/** What works on this machine. A probe changes nothing and never rejects. */
export interface Probe<Failure extends FacilityError = FacilityError, Feature extends string = string> {
  /** Whether the main function of the facility works. Single features may still be missing. */
  readonly works: boolean
  /** The version of the underlying tool or service, if it has one. */
  readonly version?: string
  /** Why the facility does not work. Absent when it works. */
  readonly error?: Failure
  /** Commands or actions for an operator that would enable it, in order. Empty when it works, or when nothing would help. */
  readonly steps: readonly string[]
  /** One sentence for each thing that works but is weaker than it should be. */
  readonly warnings: readonly string[]
  readonly features: Readonly<Record<Feature, FeatureProbe>>
}
