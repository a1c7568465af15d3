import type { Stats } from 'node:fs'

/** Mode and owner for `replace` and `makeFolder`. */
export interface ReplaceOptions {
  /** Permission bits. Default: those of the file that is replaced, or 0600 for a new one. */
  readonly mode?: number
  /** Default: the owner of the file that is replaced, or us. Giving a file away needs root. */
  readonly uid?: number
  readonly gid?: number
}

/** What is at a path. */
export interface FileStatus {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
}

/** Mode and owner that a file is to have. Undefined: the user who makes it. */
export interface Metadata {
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/** Converts what Node returns for stat(2). Pure. */
export function statusFrom(stat: Stats): FileStatus {
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** Returns mode and owner for a file that takes the place of another, or of none. Pure. */
export function wantedMetadata(kept: FileStatus | undefined, options: ReplaceOptions): Metadata {
  return {
    mode: options.mode ?? kept?.mode ?? 0o600,
    uid: options.uid ?? kept?.uid,
    gid: options.gid ?? kept?.gid,
  }
}

/** Returns whether a file has this mode and owner. Pure. */
export function sameMetadata(seen: FileStatus, wanted: Metadata): boolean {
  return (
    seen.mode === wanted.mode &&
    (wanted.uid === undefined || seen.uid === wanted.uid) &&
    (wanted.gid === undefined || seen.gid === wanted.gid)
  )
}
