import { constants, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { errno, type Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import type { CgroupPath } from '../path.ts'

/** The files of cgroupfs, the kernel's file system of groups. Reading is synchronous, because no file waits for a disk. */
export interface Cgroupfs {
  /** The mount point of the tree. */
  readonly mount: string
  exists(path: CgroupPath): boolean
  /** Returns the inode of a group, which is its id in the kernel and BPF. Returns undefined when the group does not exist. */
  id(path: CgroupPath): bigint | undefined
  /**
   * Reads a file. Returns undefined when the file or its group does not exist, or when its controller is disabled.
   *
   * @throws CgroupError `CGROUP_UNREADABLE`
   */
  read(path: CgroupPath, file: string): string | undefined
  /**
   * Writes a value with one system call, in a thread, because reclaiming memory can take long.
   *
   * @throws CgroupError `CGROUP_GONE`, `CGROUP_BUSY`, `CGROUP_REFUSED` with operation, group, value and errno.
   */
  write(path: CgroupPath, file: string, value: string): Promise<void>
  /** Lists the names of the child groups of a group. Empty when the group does not exist. */
  children(path: CgroupPath): readonly string[]
  /** Creates one group. Returns false when it exists already. @throws CgroupError as `write` */
  make(path: CgroupPath): boolean
  /** Removes one group. Returns false when it does not exist. @throws CgroupError `CGROUP_BUSY`, `CGROUP_REFUSED` */
  remove(path: CgroupPath): boolean
  /**
   * Calls `wake` when the kernel reports a change of a file. Returns a function that stops this, or undefined when the file cannot be
   * watched.
   */
  watch(path: CgroupPath, file: string, wake: () => void): (() => void) | undefined
}

/** The file does not exist, was removed while it was read, or belongs to a part that is off (`cgroup.pressure` 0). */
const absences: readonly string[] = ['ENOENT', 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP', 'ENOTSUP']

/** Opens the tree of a machine. Reads nothing yet. */
export function openCgroupfs(host: Host, mount = '/sys/fs/cgroup'): Cgroupfs {
  const root = host.path(mount)
  const at = (path: CgroupPath, file = '') => `${root}${path === '' ? '' : `/${path}`}${file === '' ? '' : `/${file}`}`
  const refuseFolder = (operation: string) => {
    if (host.live) return
    const detail = 'this host is only a folder, and cgroups belong to a running kernel'
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
      refuseFolder('create the group')
      try {
        mkdirSync(at(path))
        return true
      } catch (error) {
        if (errno(error) === 'EEXIST') return false
        throw new CgroupError('CGROUP_REFUSED', {
          ...facts('create the group', path, error),
          detail: 'check that its parent group exists',
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
        // The file was removed, or the limit of inotify watches is reached. The caller also reads the file from time to time.
        return undefined
      }
    },
  })
}

function facts(operation: string, path: CgroupPath, error: unknown) {
  return { operation, target: `/${path}`, errno: errno(error) ?? String(error), cause: error }
}

/** The meaning of the errno of a write to cgroupfs. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: 'this needs root or a delegated tree',
  EBUSY: 'a group that enables memory or io for its child groups cannot have processes itself',
  EINVAL: 'the kernel refuses this value for this file',
  ENODEV: 'the device does not exist, or it is a partition; set limits on whole disks',
  EOPNOTSUPP: 'the group is threaded or its domain is invalid; see its file cgroup.type',
  EPERM: 'this needs root or a delegated tree',
  ERANGE: 'the value is out of range',
  EROFS: 'the cgroup tree is mounted read-only',
  ESRCH: 'the process does not exist',
}

function explained(
  error: unknown,
  { path, file, value, there }: { path: CgroupPath; file: string; value: string; there: boolean },
): CgroupError {
  const base = { ...facts(`write ${file} of`, path, error), value }
  if (!there) return new CgroupError('CGROUP_GONE', { ...base, detail: 'the group does not exist' })
  const number = errno(error) ?? ''
  if (number === 'ENOENT') {
    const detail = `the controller ${file.split('.')[0]} is not enabled for this group, or this kernel does not have the file`
    return new CgroupError('CGROUP_REFUSED', { ...base, detail })
  }
  const detail = meanings[number]
  const code = number === 'EBUSY' ? 'CGROUP_BUSY' : number === 'ESRCH' ? 'CGROUP_GONE' : 'CGROUP_REFUSED'
  return new CgroupError(code, { ...base, ...(detail === undefined ? {} : { detail }) })
}
