import type { Stats } from 'node:fs'

/** Mode and owner for `replace` and `makeFolder`. */
export interface ReplaceOptions {
  /** Permission bits. Default: those of the file that is replaced, or 0600 for a new one. */
  readonly mode?: number
  /** Default: the owner of the file that is replaced, or the user of this process. Setting another owner needs root. */
  readonly uid?: number
  readonly gid?: number
}

/** Kind, mode, owner and size of a path. */
export interface FileStatus {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
}

/** The mode and owner that a file should have. An undefined uid or gid means that of this process. */
export interface Metadata {
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/** Converts the result of stat(2) in Node to a `FileStatus`. Pure. */
export function statusFrom(stat: Stats): FileStatus {
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** Returns mode and owner for a file. `kept` is the file that it replaces, if any. Pure. */
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
