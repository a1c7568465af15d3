import { SelinuxError } from './errors.ts'
import { parseRange, renderRange, sameLevel, type LevelRange } from './level.ts'

/** The context of a process, file or port: `system_u:object_r:etc_t:s0`. */
export interface Context {
  readonly user: string
  readonly role: string
  readonly type: string
  /** Absent when the policy has no levels. */
  readonly range?: LevelRange
}

const identifier = /^[A-Za-z_][A-Za-z0-9_.-]{0,254}$/

/** The rule of `isIdentifier` in words, for error messages. */
export const identifierRule =
  'a name of a user, role or type begins with a letter or _ and has only letters, digits, _, . and -'

/** Returns whether a text can be the name of a user, role or type. */
export function isIdentifier(text: string): boolean {
  return identifier.test(text)
}

/**
 * Parses a context. Removes a NUL at the end, which files of the kernel have. Categories may be in any order.
 *
 * @throws SelinuxError `SELINUX_INVALID`.
 */
export function parseContext(text: string): Context {
  const [user = '', role = '', type = '', ...rest] = text.replace(/\0$/, '').split(':')
  for (const word of [user, role, type]) {
    if (!isIdentifier(word)) throw invalid(text, 'a context has the form user:role:type or user:role:type:level')
  }
  if (rest.length === 0) return Object.freeze({ user, role, type })
  return Object.freeze({ user, role, type, range: parseRange(rest.join(':')) })
}

/** Parses a context. Returns undefined for a text that is not a context. */
export function contextIn(text: string): Context | undefined {
  try {
    return parseContext(text)
  } catch {
    return undefined
  }
}

/** Renders a context with its range in the form of the kernel. @throws SelinuxError `SELINUX_INVALID` for an invalid name. */
export function renderContext({ user, role, type, range }: Context): string {
  const wrong = [user, role, type].find((word) => !isIdentifier(word))
  if (wrong !== undefined) throw invalid(wrong, identifierRule)
  return range === undefined ? `${user}:${role}:${type}` : `${user}:${role}:${type}:${renderRange(range)}`
}

/** Returns whether two contexts are equal. The notation of their levels does not matter. */
export function sameContext(one: Context, other: Context): boolean {
  const names = one.user === other.user && one.role === other.role && one.type === other.type
  if (!names || one.range === undefined || other.range === undefined) return names && one.range === other.range
  return sameLevel(one.range.low, other.range.low) && sameLevel(one.range.high, other.range.high)
}

function invalid(value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation: 'use the context', value, detail })
}
