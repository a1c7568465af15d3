import { CgroupError } from './errors.ts'
import { parseCgroupPath, type CgroupPath } from './path.ts'

/**
 * Escapes any text so that it can be a part of a unit's name, as `systemd-escape` does: `/` becomes `-`, other bytes than
 * letters, digits, `:`, `_` and `.` become `\xNN`, and so does a `.` in front.
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

/** Returns the text that `escapeUnit` was given. @throws CgroupError `CGROUP_INVALID` for a `\` that begins no `\xNN`. */
export function unescapeUnit(name: string): string {
  const bytes: Buffer[] = []
  for (const [part] of name.matchAll(/\\x[0-9a-f]{2}|[\s\S]/gu)) {
    if (part === '\\') {
      throw new CgroupError('CGROUP_INVALID', {
        operation: 'unescape the name',
        value: name,
        detail: 'a \\ begins \\xNN',
      })
    }
    bytes.push(part.length === 4 ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part === '-' ? '/' : part))
  }
  return Buffer.concat(bytes).toString()
}

/**
 * Returns where a slice is in the tree: each dash nests, so `user-10001.slice` is inside `user.slice`. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID` for what is no name of a slice.
 * @see systemd.slice(5)
 */
export function slicePath(slice: string): CgroupPath {
  if (!/^[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*\.slice$/.test(slice) || slice.length > 255) {
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'use the slice',
      value: slice,
      detail: 'must be names joined by single dashes, then .slice',
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

/** Returns the slice of a user's sessions and services. @throws CgroupError `CGROUP_INVALID` */
export function userSlice(uid: number): string {
  if (Number.isInteger(uid) && uid >= 0 && uid < 2 ** 32 - 1) return `user-${uid}.slice`
  throw new CgroupError('CGROUP_INVALID', { operation: 'name the slice of uid', value: String(uid) })
}
