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

/** Another agent manages the host. It may end, so a later attempt may succeed. Printed as one line, without a stack. */
export class HostBusy extends Error {
  static {
    this.prototype.name = 'HostBusy'
  }
}

/** The exit code of a process that may run if it is started again later. @see sysexits.h(3head) */
export const tryLater = 75

/** The exit code of a process that cannot start for a reason that the operator must correct. @see sysexits.h(3head) */
export const cannotStart = 78
