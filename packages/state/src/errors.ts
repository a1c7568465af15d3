/** The database does not answer. It is unknown whether a write took effect. The caller may try again. */
export class DatabaseError extends Error {
  static {
    this.prototype.name = 'DatabaseError'
  }

  readonly code = 'database_unavailable'
}

/** The program cannot start, for a reason that the operator can correct. Printed as one line, without a stack. */
export class StartError extends Error {
  static {
    this.prototype.name = 'StartError'
  }
}

/** The exit code of a process that cannot start for a reason that the operator must correct. @see sysexits.h(3head) */
export const cannotStart = 78
