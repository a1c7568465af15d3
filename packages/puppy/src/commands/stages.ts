/** The stage of the start. `start` reports it to `up`, which then does its part. */
export type Report = Prepared | Processes

/** The settings are read, and packages and folders exist. `up` takes the lock. */
export interface Prepared {
  readonly stage: 'prepared'
  readonly stateDir: string
  readonly lock: string
  readonly pidFile: string
  /** Log files that `up` shortens. */
  readonly logs: readonly string[]
  readonly isEmbedded: boolean
}

/** The database is ready. `up` binds the addresses of the API, and starts the processes. */
interface Processes {
  readonly stage: 'processes'
  readonly processes: readonly Program[]
  /** The IP addresses and the port of the API. */
  readonly addresses: readonly string[]
  readonly port: number
}

/** The answer of `up`. An errno: an address cannot be bound, and no process was started. */
export type Answer = 'go on' | 'end' | { readonly errno: string }

/** The API or the agent, and how it is started. */
export interface Program {
  readonly name: 'api' | 'agent'
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly log: string
  readonly pidFile: string
}
