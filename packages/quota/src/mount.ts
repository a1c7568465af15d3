/** One line of `/proc/self/mountinfo`. @see proc_pid_mountinfo(5) */
export interface Mount {
  readonly id: number
  /** `major:minor`, as the kernel prints it. */
  readonly device: string
  /** What of the file system is mounted: `/`, or a folder of it when it is a bind mount. */
  readonly root: string
  readonly mountPoint: string
  readonly fileSystem: string
  readonly source: string
  readonly options: readonly string[]
}

/**
 * Parses mountinfo; lines of another shape are left out.
 *
 *     46 28 254:16 / /home rw,nosuid shared:60 - ext4 /dev/vdb rw,quota,usrquota
 *     id parent dev root point options [tags…] -  type source super options
 */
export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const words = line.split(' ')
    const dash = words.indexOf('-', 6)
    const [id = '', , device = '', root = '', mountPoint = ''] = words
    const [fileSystem, source, options] = words.slice(dash + 1)
    if (dash < 0 || !/^\d{1,9}$/.test(id) || !/^\d{1,9}:\d{1,9}$/.test(device)) return []
    if (fileSystem === undefined || source === undefined || options === undefined) return []
    return [
      {
        id: Number(id),
        device,
        root: unescape(root),
        mountPoint: unescape(mountPoint),
        fileSystem,
        source: unescape(source),
        options: options.split(','),
      },
    ]
  })
}

/** `stat -c %d` to `major:minor`. @see makedev(3) */
export function deviceOf(number: bigint): string {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xfffff000n)
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/**
 * Finds the mount of a file system's own root by its device, which is the one the quota tools know it by; a path below a bind
 * mount leads to it too. Without one it gives a bind mount, which they do not take. The kernel's device for a file of btrfs is
 * in no list: then the longest mount point above the path counts.
 */
export function findMount(mounts: readonly Mount[], device: string, path: string): Mount | undefined {
  const visible = mounts.filter(
    ({ mountPoint }, at) => !mounts.slice(at + 1).some((later) => later.mountPoint === mountPoint),
  )
  const same = visible.filter((mount) => mount.device === device)
  const above = visible
    .filter(({ mountPoint }) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`))
    .toSorted((one, other) => other.mountPoint.length - one.mountPoint.length)
  const [nearest] = above
  // Theirs are in the list: what is not was unmounted, or is in another namespace.
  const listed = nearest?.fileSystem === 'ext4' || nearest?.fileSystem === 'xfs'
  return same.find(({ root }) => root === '/') ?? same[0] ?? (listed ? undefined : nearest)
}

/** The kernel writes blank, tab, newline and backslash as three octal digits. */
function unescape(word: string): string {
  return word.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
