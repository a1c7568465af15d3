/** How far the start is, as `start` reports it to `up`, which then does its part. */
export type Report = Prepared | Processes

/** The settings are read, packages and folders are there: `up` takes the lock. */
export interface Prepared {
  readonly stage: 'prepared'
  readonly stateDir: string
  readonly lock: string
  readonly pidFile: string
  /** Logs that are kept short. */
  readonly logs: readonly string[]
  readonly isEmbedded: boolean
}

/** The database is ready: `up` starts the processes. */
interface Processes {
  readonly stage: 'processes'
  readonly processes: readonly Program[]
}

/** What `up` answers. */
export type Answer = 'go on' | 'end'

/** A process of ours, and how it is started. */
export interface Program {
  readonly name: 'api' | 'agent'
  readonly env: Readonly<Record<string, string>>
  readonly log: string
  readonly pidFile: string
}
