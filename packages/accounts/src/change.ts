/** One planned difference between wanted and observed, as a value that can be shown before anything happens. */
export interface AccountChange {
  readonly facility: 'accounts'
  /** The user, group or file that changes. */
  readonly target: string
  readonly action: string
  readonly before?: string
  readonly after?: string
  /** What a person could run for the same effect; we do not run it this way. */
  readonly command?: string
}

/** How long an effect may take and who may end it. */
export interface EffectOptions {
  readonly signal?: AbortSignal
  /** Milliseconds for each program that is run. Default 120,000. */
  readonly timeout?: number
}
