import type { Files } from '../files.ts'

/** A mount of a mount namespace. @see proc_pid_mountinfo(5) */
export interface Mount {
  readonly id: number
  /** The `id` of the parent mount. */
  readonly parent: number
  /** `major:minor`, as the kernel prints it. */
  readonly device: string
  /** The part of the file system that is mounted: `/`, or a folder for a bind mount. */
  readonly root: string
  readonly mountPoint: string
  /** Options of this mount: `rw`, `nosuid`. */
  readonly mountOptions: readonly string[]
  /** `ext4`, `cgroup2`, `fuse.sshfs` */
  readonly fileSystem: string
  /** The mounted device or name: `/dev/vdb`. The user who mounts a FUSE file system can choose any text. It may be empty. */
  readonly source: string
  /** Options of the file system, shared by all its mounts: `rw`, `usrquota`, `user_id=10000`. */
  readonly options: readonly string[]
}

/** Reads the mounts of our mount namespace, in the order of the kernel. @throws HostError `HOST_READ_FAILED` */
export async function readMounts(host: Pick<Files, 'read'>): Promise<readonly Mount[]> {
  return parseMountinfo((await host.read('/proc/self/mountinfo')) ?? '')
}

/**
 * Parses `/proc/PID/mountinfo`. Ignores lines of another form, and a last line without a line feed, which may be truncated. Pure.
 *
 * ```text
 * 46 28 254:16 / /home rw,nosuid shared:60 - ext4 /dev/vdb rw,quota,usrquota
 * id parent dev root point options [tags…] - type source options of the file system
 * ```
 *
 * The kernel writes space, tab, line feed and backslash as three octal digits. Every other byte is unchanged, including a carriage return.
 * A path that is not UTF-8 contains replacement characters here and names no file.
 */
export function parseMountinfo(text: string): readonly Mount[] {
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => parseMount(line) ?? [])
}

function parseMount(line: string): Mount | undefined {
  const words = line.split(' ')
  const dash = words.indexOf('-', 6)
  const [id = '', parent = '', device = '', root = '', mountPoint = '', mountOptions = ''] = words
  const [fileSystem = '', source, options, ...rest] = words.slice(dash + 1)
  if (dash < 0 || source === undefined || options === undefined || rest.length > 0) return undefined
  if (!isNumber(id) || !isNumber(parent) || !/^\d{1,10}:\d{1,10}$/.test(device)) return undefined
  if (!mountPoint.startsWith('/') || fileSystem === '') return undefined
  return {
    id: Number(id),
    parent: Number(parent),
    device,
    root: unescape(root),
    mountPoint: unescape(mountPoint),
    mountOptions: mountOptions.split(','),
    fileSystem: unescape(fileSystem),
    source: unescape(source),
    options: options.split(','),
  }
}

function isNumber(word: string): boolean {
  return /^\d{1,10}$/.test(word)
}

function unescape(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** Returns the mounts that are not covered by a later mount at the same mount point. Pure. */
export function uncoveredMounts(mounts: readonly Mount[]): readonly Mount[] {
  const last = new Map(mounts.map((mount) => [mount.mountPoint, mount]))
  return mounts.filter((mount) => last.get(mount.mountPoint) === mount)
}

/** Returns the mount that contains an absolute path without links: the one with the longest mount point above the path. Pure. */
export function findMountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  return uncoveredMounts(mounts)
    .filter(({ mountPoint }) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`))
    .toSorted((one, other) => other.mountPoint.length - one.mountPoint.length)[0]
}

/** Renders the device number of stat(2), as `stat -c %d` prints it, as `major:minor`. Pure. @see makedev(3) */
export function renderDevice(number: bigint): string {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}
