import { FacilityError, type FacilityErrorFacts } from './facility/error.ts'
import { printable, printableLines } from './printable.ts'
import { quoted, sentenceOf } from './sentence.ts'

/** A stable code for each kind of failure. `docs/errors.md` has one line for each code. */
export type HostErrorCode =
  | 'HOST_ABORTED'
  | 'HOST_FILE_TOO_LARGE'
  | 'HOST_LOCK_FAILED'
  | 'HOST_LOCK_LOST'
  | 'HOST_LOCK_TIMEOUT'
  | 'HOST_NOT_LIVE'
  | 'HOST_OUTPUT_TOO_LARGE'
  | 'HOST_PATH_OUTSIDE_ROOT'
  | 'HOST_PROGRAM_FAILED'
  | 'HOST_PROGRAM_NOT_FOUND'
  | 'HOST_READ_FAILED'
  | 'HOST_SIGNAL_FAILED'
  | 'HOST_TIMEOUT'
  | 'HOST_WRITE_FAILED'

/** The facts of a failure. The message is a sentence made from them. */
export interface HostErrorFacts extends FacilityErrorFacts {
  /** The file or folder of the failed operation. */
  readonly path?: string
  /** The program and its arguments. Secrets are hidden. */
  readonly command?: string
  readonly exitCode?: number
  /** The end of the standard error of the program. */
  readonly stderr?: string
}

/** The machine refused an operation or returned an unexpected result. Match on `code`. */
export class HostError extends FacilityError<HostErrorCode, HostErrorFacts> {
  static {
    this.prototype.name = 'HostError'
  }

  constructor(code: HostErrorCode, facts: HostErrorFacts) {
    super(code, facts, sentence(facts))
  }
}

/** The longest path that the kernel accepts. @see PATH_MAX in limits.h(0p) */
const longestPath = 4096

function sentence(facts: HostErrorFacts): string {
  const target = facts.path === undefined ? '' : ` ${quoted(facts.path, longestPath)}`
  return sentenceOf(`${printable(facts.operation)}${target}`, [
    facts.exitCode === undefined ? undefined : `exit code ${facts.exitCode}`,
    facts.detail === undefined ? undefined : printable(facts.detail),
    facts.stderr === undefined || facts.stderr === ''
      ? undefined
      : `the program reported: ${printableLines(facts.stderr)}`,
    facts.command === undefined ? undefined : `command: ${printable(facts.command)}`,
  ])
}

/** Returns the errno of a Node error by name (`ENOENT`), or undefined for anything else. Pure. */
export function errno(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Creates the error for a file that cannot be read. Pure. */
export function readFailed(path: string, cause: unknown): HostError {
  return new HostError('HOST_READ_FAILED', { operation: 'read', path, ...reasonOf(cause) })
}

/** Creates the error for a file that cannot be written. Pure. */
export function writeFailed(operation: string, path: string, cause: unknown): HostError {
  return new HostError('HOST_WRITE_FAILED', { operation, path, ...reasonOf(cause) })
}

function reasonOf(cause: unknown): Pick<HostErrorFacts, 'errno' | 'detail' | 'cause'> {
  const name = errno(cause)
  return { detail: name ?? String(cause), cause, ...(name === undefined ? {} : { errno: name }) }
}

export { FacilityError, isCausedBy, renderFacts } from './facility/error.ts'
export type { FacilityErrorFacts } from './facility/error.ts'
export { isPrintable, printable, printableLines } from './printable.ts'
export { quoted, sentenceOf } from './sentence.ts'
