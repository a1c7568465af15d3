import type { FacilityError } from './error.ts'

/** Whether one part of a facility works on this machine. */
export interface FeatureProbe {
  readonly works: boolean
  /** Why it does not, as a sentence. Absent when it works. */
  readonly reason?: string
  /** What would enable it, in order: commands or acts for a person. Empty when it works, or when nothing would. */
  readonly steps: readonly string[]
}

/** What works on this machine. A probe looks only, and never throws. */
export interface Probe<Failure extends FacilityError = FacilityError, Feature extends string = string> {
  /** Whether the facility does what it is for. Features may lack all the same. */
  readonly works: boolean
  /** The version of the tool or service behind it, where it has one. */
  readonly version?: string
  /** Why it does not work. Absent when it works. */
  readonly error?: Failure
  /** What would enable it, in order: commands or acts for a person. Empty when it works, or when nothing would. */
  readonly steps: readonly string[]
  /** What works and is weaker than it should be, a sentence each. */
  readonly warnings: readonly string[]
  readonly features: Readonly<Record<Feature, FeatureProbe>>
}
