/** A line of passwd(5), with its field names. */
export interface PasswdEntry {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly gecos: string
  readonly dir: string
  readonly shell: string
}

/** A line of group(5). */
export interface GroupEntry {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/** The fields of a shadow(5) line about login. The hash itself is never stored. */
export interface ShadowEntry {
  readonly name: string
  /** Whether no password can match: the field begins with `!` or `*`. */
  readonly locked: boolean
  /** The day on which the account expires, in days since 1970. Absent when it never expires. */
  readonly expire?: number
}

/**
 * Parses passwd(5) lines from the file or from `getent`. Ignores lines that are not accounts (comments, NIS `+`). Pure.
 *
 * `p10000:x:10000:10000:Puppy tenant:/home/p10000:/bin/bash`
 */
export function parsePasswd(text: string): readonly PasswdEntry[] {
  return lines(text, 7).flatMap(([name = '', , uid, gid, gecos = '', dir = '', shell = '']) => {
    const ids = [parseId(uid), parseId(gid)] as const
    return name === '' || ids[0] === undefined || ids[1] === undefined
      ? []
      : [{ name, uid: ids[0], gid: ids[1], gecos, dir, shell }]
  })
}

/** Parses group(5) lines: `puppy-tenants:x:9999:p10000,p10001`. Pure. */
export function parseGroup(text: string): readonly GroupEntry[] {
  return lines(text, 4).flatMap(([name = '', , id, members = '']) => {
    const gid = parseId(id)
    if (name === '' || gid === undefined) return []
    return [{ name, gid, members: members.split(',').filter((member) => member !== '') }]
  })
}

/** Parses shadow(5) lines: `p10000:!*:20412::::::`. Pure. */
export function parseShadow(text: string): readonly ShadowEntry[] {
  return lines(text, 9).flatMap(([name = '', password = '', , , , , , expires]) => {
    if (name === '') return []
    const expire = parseId(expires)
    return [{ name, locked: /^[!*]/.test(password), ...(expire === undefined ? {} : { expire }) }]
  })
}

function lines(text: string, fields: number): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !/^[#+-]/.test(line))
    .map((line) => line.split(':'))
    .filter((line) => line.length === fields)
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id <= 0xffff_ffff ? id : undefined
}
