import { quoted, sentenceOf } from '@puppy/host'

/** What went wrong, as a word that never changes its meaning. One line for each stands in `docs/errors.md`. */
export type CgroupErrorCode =
  | 'CGROUP_BUSY'
  | 'CGROUP_GONE'
  | 'CGROUP_INVALID'
  | 'CGROUP_REFUSED'
  | 'CGROUP_TIMEOUT'
  | 'CGROUP_UNREADABLE'
  | 'CGROUP_UNSUPPORTED'

/** The facts of a failure; the message is a sentence made from them. */
export interface CgroupErrorFacts {
  /** What was attempted, as a verb with its object: `write memory.max of`. */
  readonly operation: string
  /** The group, slice or setting it was attempted on. */
  readonly target?: string
  /** The offending value, shown quoted and cut. */
  readonly value?: string
  /** What the kernel answered, as the name of an errno: `EBUSY`. */
  readonly errno?: string
  /** What systemd said, its own words. */
  readonly said?: string
  /** What happened and, where there is something, what would help. */
  readonly detail?: string
  readonly cause?: unknown
}

/** The kernel, systemd, or what we were given, refused or surprised us. Match on `code`. */
export class CgroupError extends Error {
  static {
    this.prototype.name = 'CgroupError'
  }

  readonly code: CgroupErrorCode
  readonly facts: Omit<CgroupErrorFacts, 'cause'>

  constructor(code: CgroupErrorCode, { cause, ...facts }: CgroupErrorFacts) {
    super(sentence(facts), cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = facts
  }
}

function sentence(facts: CgroupErrorFacts): string {
  const target = facts.target === undefined ? '' : ` ${quoted(facts.target)}`
  const value = facts.value === undefined ? '' : `, value ${quoted(facts.value)}`
  return sentenceOf(`${facts.operation}${target}${value}`, [
    facts.errno === undefined ? undefined : `the kernel answered ${facts.errno}`,
    facts.detail,
    facts.said === undefined || facts.said === '' ? undefined : `systemd said: ${facts.said}`,
  ])
}
