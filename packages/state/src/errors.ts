/** The database does not answer. Nothing is known to have changed, and the same may be tried again. */
export class DatabaseError extends Error {
  static {
    this.prototype.name = 'DatabaseError'
  }

  readonly code = 'database_unavailable'
}

/** The start cannot go on for a reason that the operator can mend; printed as one line, without a stack. */
export class StartError extends Error {
  static {
    this.prototype.name = 'StartError'
  }
}

/** The exit code of a process that cannot start for a reason that the operator must mend. @see sysexits.h(3head) */
export const cannotStart = 78
