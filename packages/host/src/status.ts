import type { Stats } from 'node:fs'

export interface ReplaceOptions {
  /** Permission bits. Default: those of the file that is replaced, or 0600 for a new one. */
  readonly mode?: number
  /** Default: the owner of the file that is replaced, or us. Giving a file away needs root. */
  readonly uid?: number
  readonly gid?: number
}

export interface FileStatus {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Bytes. */
  readonly size: number
}

/** Mode and owner that a file is to have; whoever makes it owns it where that is undefined. */
export interface Metadata {
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
}

export function statusFrom(stat: Stats): FileStatus {
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : stat.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: stat.size }
}

/** What a file gets that takes the place of another, or of none. */
export function wantedMetadata(kept: FileStatus | undefined, options: ReplaceOptions): Metadata {
  return {
    mode: options.mode ?? kept?.mode ?? 0o600,
    uid: options.uid ?? kept?.uid,
    gid: options.gid ?? kept?.gid,
  }
}

export function sameMetadata(seen: FileStatus, wanted: Metadata): boolean {
  return (
    seen.mode === wanted.mode &&
    (wanted.uid === undefined || seen.uid === wanted.uid) &&
    (wanted.gid === undefined || seen.gid === wanted.gid)
  )
}
