import { CgroupError } from './errors.ts'
import { parseCgroupPath, type CgroupPath } from './path.ts'

/**
 * Escapes any text so that it can be a part of the name of a unit, as `systemd-escape` does. `/` becomes `-`. Letters, digits, `:`, `_` and
 * `.` stay as they are. Every other byte becomes `\xNN`, and so does a leading `.`.
 *
 * @see systemd.unit(5), "String Escaping for Inclusion in Unit Names"
 */
export function escapeUnit(text: string): string {
  return [...Buffer.from(text)]
    .map((byte, index) => {
      const character = String.fromCharCode(byte)
      if (character === '/') return '-'
      if (/[A-Za-z0-9:_]/.test(character) || (character === '.' && index > 0)) return character
      return `\\x${byte.toString(16).padStart(2, '0')}`
    })
    .join('')
}

/** Reverts `escapeUnit`. @throws CgroupError `CGROUP_INVALID` for a `\` that does not begin `\xNN`. */
export function unescapeUnit(name: string): string {
  const bytes: Buffer[] = []
  for (const [part] of name.matchAll(/\\x[0-9a-f]{2}|[\s\S]/gu)) {
    if (part === '\\') {
      throw new CgroupError('CGROUP_INVALID', {
        operation: 'unescape the name',
        value: name,
        detail: 'each \\ must begin an escape of the form \\xNN',
      })
    }
    bytes.push(part.length === 4 ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part === '-' ? '/' : part))
  }
  return Buffer.concat(bytes).toString()
}

/**
 * Returns the path of a slice in the cgroup tree. Each dash is a level, so `user-10001.slice` is inside `user.slice`. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID` when the text is not the name of a slice.
 * @see systemd.slice(5)
 */
export function slicePath(slice: string): CgroupPath {
  if (!/^[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*\.slice$/.test(slice) || slice.length > 255) {
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'use the slice',
      value: slice,
      detail: 'the name of a slice must be words joined by single dashes, followed by .slice',
    })
  }
  const names = slice.slice(0, -'.slice'.length).split('-')
  return parseCgroupPath(names.map((_, index) => `${names.slice(0, index + 1).join('-')}.slice`).join('/'))
}

/** Returns whether a text is the name of a slice. */
export function isSlice(slice: string): boolean {
  try {
    return slicePath(slice) !== ''
  } catch {
    return false
  }
}

/** Returns the slice of the sessions and services of a user. @throws CgroupError `CGROUP_INVALID` */
export function userSlice(uid: number): string {
  if (Number.isInteger(uid) && uid >= 0 && uid < 2 ** 32 - 1) return `user-${uid}.slice`
  const detail = 'a uid must be a whole number from 0 to 4294967294'
  throw new CgroupError('CGROUP_INVALID', { operation: 'name the slice of a user', value: String(uid), detail })
}
