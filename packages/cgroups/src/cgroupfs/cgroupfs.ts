import { constants, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { errno, type Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import type { CgroupPath } from '../path.ts'

/** The files of cgroupfs, the kernel's file system of groups. None waits for a disk, so reading is synchronous. */
export interface Cgroupfs {
  /** Where the tree is mounted. */
  readonly mount: string
  exists(path: CgroupPath): boolean
  /** Returns the inode of a group, by which the kernel and BPF name it; undefined when it is not there. */
  id(path: CgroupPath): bigint | undefined
  /** Reads a file; undefined when the file or its group is not there, or its controller is switched off. @throws CgroupError `CGROUP_UNREADABLE` */
  read(path: CgroupPath, file: string): string | undefined
  /**
   * Writes a value in one system call, in a thread: reclaiming memory may take a while.
   *
   * @throws CgroupError `CGROUP_GONE`, `CGROUP_BUSY`, `CGROUP_REFUSED` naming operation, group, value and errno.
   */
  write(path: CgroupPath, file: string, value: string): Promise<void>
  /** Lists the names of the groups inside a group; none when it is not there. */
  children(path: CgroupPath): readonly string[]
  /** Makes one group. Returns false when it is there already. @throws CgroupError as `write` */
  make(path: CgroupPath): boolean
  /** Removes one group. Returns false when it is not there. @throws CgroupError `CGROUP_BUSY`, `CGROUP_REFUSED` */
  remove(path: CgroupPath): boolean
  /** Calls back when the kernel reports a change of a file. Returns what stops it, or undefined when the file cannot be watched. */
  watch(path: CgroupPath, file: string, wake: () => void): (() => void) | undefined
}

/** Not there, removed while it was read, or of a controller that is switched off (`cgroup.pressure` 0). */
const absences: readonly string[] = ['ENOENT', 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP', 'ENOTSUP']

/** Opens the tree of a machine. Nothing is read yet. */
export function openCgroupfs(host: Host, mount = '/sys/fs/cgroup'): Cgroupfs {
  const root = host.path(mount)
  const at = (path: CgroupPath, file = '') => `${root}${path === '' ? '' : `/${path}`}${file === '' ? '' : `/${file}`}`
  const refuseFolder = (operation: string) => {
    if (host.live) return
    const detail = 'this host is only a folder, which no kernel reads'
    throw new CgroupError('CGROUP_UNSUPPORTED', { operation, target: mount, detail })
  }
  const exists = (path: CgroupPath) => statSync(at(path), { throwIfNoEntry: false })?.isDirectory() === true
  return Object.freeze<Cgroupfs>({
    mount,
    exists,
    id: (path) => statSync(at(path), { bigint: true, throwIfNoEntry: false })?.ino,
    read: (path, file) => {
      try {
        return readFileSync(at(path, file), 'utf8')
      } catch (error) {
        if (absences.includes(errno(error) ?? '')) return undefined
        throw new CgroupError('CGROUP_UNREADABLE', facts(`read ${file} of`, path, error))
      }
    },
    write: async (path, file, value) => {
      refuseFolder(`write ${file} of`)
      try {
        // Not writeFile, which would try to create a file that the controller does not offer.
        const handle = await open(at(path, file), constants.O_WRONLY)
        try {
          await handle.write(value)
        } finally {
          await handle.close()
        }
      } catch (error) {
        throw explained(error, { path, file, value, there: exists(path) })
      }
    },
    children: (path) => {
      try {
        return readdirSync(at(path), { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => name)
      } catch (error) {
        if (absences.includes(errno(error) ?? '')) return []
        throw new CgroupError('CGROUP_UNREADABLE', facts('list the groups in', path, error))
      }
    },
    make: (path) => {
      refuseFolder('make the group')
      try {
        mkdirSync(at(path))
        return true
      } catch (error) {
        if (errno(error) === 'EEXIST') return false
        throw new CgroupError('CGROUP_REFUSED', {
          ...facts('make the group', path, error),
          detail: 'is the group around it there?',
        })
      }
    },
    remove: (path) => {
      refuseFolder('remove the group')
      try {
        rmdirSync(at(path))
        return true
      } catch (error) {
        if (absences.includes(errno(error) ?? '')) return false
        const code = errno(error) === 'EBUSY' ? 'CGROUP_BUSY' : 'CGROUP_REFUSED'
        throw new CgroupError(code, facts('remove the group', path, error))
      }
    },
    watch: (path, file, wake) => {
      try {
        const watcher = watch(at(path, file), { persistent: false }, wake)
        watcher.on('error', () => watcher.close())
        return () => watcher.close()
      } catch {
        // Removed by now, or no inotify watch is left: the caller reads the file from time to time as well.
        return undefined
      }
    },
  })
}

function facts(operation: string, path: CgroupPath, error: unknown) {
  return { operation, target: `/${path}`, errno: errno(error) ?? String(error), cause: error }
}

/** What the errno of a write means here. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: 'it needs root, or a delegated tree',
  EBUSY: 'a group with processes cannot enable memory or io for groups inside it, and one that does takes no processes',
  EINVAL: 'the kernel refuses this value here',
  ENODEV: 'there is no such device, or it is a partition: limits are for whole disks',
  EOPNOTSUPP: 'the group is threaded or its domain is invalid, see cgroup.type',
  EPERM: 'it needs root, or a delegated tree',
  ERANGE: 'the value is out of range',
  EROFS: 'the tree is mounted read-only',
  ESRCH: 'there is no such process',
}

function explained(
  error: unknown,
  { path, file, value, there }: { path: CgroupPath; file: string; value: string; there: boolean },
): CgroupError {
  const base = { ...facts(`write ${file} of`, path, error), value }
  if (!there) return new CgroupError('CGROUP_GONE', { ...base, detail: 'the group does not exist' })
  const number = errno(error) ?? ''
  if (number === 'ENOENT') {
    const detail = `the controller ${file.split('.')[0]} is not enabled for this group, or this kernel has no such file`
    return new CgroupError('CGROUP_REFUSED', { ...base, detail })
  }
  const detail = meanings[number]
  const code = number === 'EBUSY' ? 'CGROUP_BUSY' : number === 'ESRCH' ? 'CGROUP_GONE' : 'CGROUP_REFUSED'
  return new CgroupError(code, { ...base, ...(detail === undefined ? {} : { detail }) })
}
