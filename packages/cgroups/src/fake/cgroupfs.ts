import { CgroupError } from '../errors.ts'
import { faultOfValue } from '../limits/kinds.ts'
import { deviceRows, plainRows } from '../limits/table.ts'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { ancestorsOf, parentOf, parseCgroupPath, rootPath, type CgroupPath } from '../path.ts'

/** A cgroup tree in memory. It rounds and refuses values as the kernel does. No process runs in it, and it reclaims nothing by itself. */
export interface FakeCgroupfs {
  readonly cgroupfs: Cgroupfs
  /** Puts a process into a group and creates missing groups, as a fork or another program would. */
  place(path: string, pid: number): void
  /** Ends a process. */
  end(pid: number): void
  /** Sets the memory usage of a group, and how much of it cannot be reclaimed, in bytes. */
  use(path: string, bytes: number, pinned?: number): void
  /** Writes a file as another program would, or sets a file that the fake does not update: `memory.events`. */
  put(path: string, file: string, text: string): void
}

interface Group {
  readonly id: bigint
  readonly files: Map<string, string>
  readonly processes: Set<number>
  /** Controllers that it enables for its child groups. */
  readonly enabled: Set<string>
  frozen: boolean
  pinned: number
}

const page = 4096

/** The initial files of a group. A file exists when the parent enables its controller. */
const defaults: ReadonlyMap<string, string> = new Map([
  ...plainRows.map(({ file, initial, render }): readonly [string, string] => [file, render(initial)]),
  ['io.max', ''],
  ['memory.current', '0'],
  ['memory.events', 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0'],
  ['pids.events', 'max 0'],
])
const rows = new Map(plainRows.map((row) => [row.file, row]))

/** Creates a cgroup tree in memory. */
export function createFakeCgroupfs({ controllers = ['cpu', 'cpuset', 'io', 'memory', 'pids'] } = {}): FakeCgroupfs {
  let groupsMade = 0n
  const emptyGroup = (): Group => ({
    id: (groupsMade += 1n),
    files: new Map(),
    processes: new Set(),
    enabled: new Set(),
    frozen: false,
    pinned: 0,
  })
  const groups = new Map<CgroupPath, Group>([[rootPath, emptyGroup()]])
  const watchers = new Map<string, Set<() => void>>()
  const wake = (path: CgroupPath, file: string) => {
    for (const call of watchers.get(`${path} ${file}`) ?? []) call()
  }
  const offered = (path: CgroupPath) =>
    path === '' ? controllers : [...(groups.get(parentOf(path))?.enabled ?? [])].toSorted()
  const populated = (path: CgroupPath) =>
    [...groups].some(([other, { processes }]) => inside(other, path) && processes.size > 0)

  const changeMembers = (path: CgroupPath, change: () => void) => {
    const before = new Map([...groups.keys()].map((group) => [group, populated(group)]))
    change()
    for (const [group, was] of before) if (groups.has(group) && populated(group) !== was) wake(group, 'cgroup.events')
    wake(path, 'cgroup.procs')
  }
  const end = (pid: number) => {
    for (const [path, { processes }] of groups) {
      if (processes.has(pid)) changeMembers(path, () => processes.delete(pid))
    }
  }
  const killAll = (path: CgroupPath) => {
    for (const [other, { processes }] of groups) if (inside(other, path)) for (const pid of processes) end(pid)
  }

  const read = (path: CgroupPath, file: string): string | undefined => {
    const group = groups.get(path)
    if (group === undefined) return undefined
    if (file === 'cgroup.procs') return [...group.processes].map((pid) => `${pid}\n`).join('')
    if (file === 'cgroup.controllers') return `${offered(path).join(' ')}\n`
    if (file === 'cgroup.subtree_control') return `${[...group.enabled].toSorted().join(' ')}\n`
    if (path === '') return undefined
    if (file === 'cgroup.events') return `populated ${populated(path) ? 1 : 0}\nfrozen ${group.frozen ? 1 : 0}\n`
    const known = group.files.get(file) ?? (offered(path).includes(controllerOf(file)) ? defaults.get(file) : undefined)
    return known === undefined ? undefined : `${known}\n`
  }

  const write = async (path: CgroupPath, file: string, value: string): Promise<void> => {
    const refuse = (
      errno: string,
      code: 'CGROUP_REFUSED' | 'CGROUP_BUSY' | 'CGROUP_GONE' = 'CGROUP_REFUSED',
    ): never => {
      throw new CgroupError(code, { operation: `write ${file} of`, target: `/${path}`, value, errno })
    }
    const group = groups.get(path) ?? refuse('ENOENT', 'CGROUP_GONE')
    if (file === 'cgroup.procs') {
      if ([...group.enabled].some(isDomain) && path !== '') refuse('EBUSY', 'CGROUP_BUSY')
      const from = [...groups].find(([, { processes }]) => processes.has(Number(value)))
      if (from === undefined) return refuse('ESRCH', 'CGROUP_GONE')
      changeMembers(path, () => {
        from[1].processes.delete(Number(value))
        group.processes.add(Number(value))
      })
    } else if (file === 'cgroup.subtree_control') {
      for (const word of value.split(' ')) {
        if (!offered(path).includes(word.slice(1))) refuse('ENOENT')
        if (group.processes.size > 0 && path !== '' && isDomain(word.slice(1))) refuse('EBUSY', 'CGROUP_BUSY')
        if (word.startsWith('+')) group.enabled.add(word.slice(1))
        else group.enabled.delete(word.slice(1))
      }
    } else if (file === 'cgroup.kill') {
      killAll(path)
    } else if (file === 'cgroup.freeze') {
      group.frozen = value === '1'
      wake(path, 'cgroup.events')
    } else if (file === 'memory.reclaim') {
      const target = Number(group.files.get('memory.current') ?? 0) - Number(value)
      group.files.set('memory.current', String(Math.max(target, group.pinned)))
      if (target < group.pinned) refuse('EAGAIN')
    } else {
      if (path === '' || read(path, file) === undefined || file === 'memory.current') refuse('ENOENT')
      const text = taken(file, value, group.files.get(file) ?? '')
      group.files.set(file, text ?? refuse('EINVAL'))
      const used = Number(group.files.get('memory.current') ?? 0)
      if (file === 'memory.max' && used > Number(text)) {
        group.files.set('memory.events', 'low 0\nhigh 0\nmax 1\noom 1\noom_kill 1\noom_group_kill 0')
        killAll(path)
        group.files.set('memory.current', '0')
        wake(path, 'memory.events')
      }
    }
  }

  const make = (path: CgroupPath): boolean => {
    if (groups.has(path)) return false
    if (!groups.has(parentOf(path))) {
      throw new CgroupError('CGROUP_REFUSED', { operation: 'create the group', target: `/${path}`, errno: 'ENOENT' })
    }
    groups.set(path, emptyGroup())
    return true
  }
  const cgroupfs = Object.freeze<Cgroupfs>({
    mount: '/sys/fs/cgroup',
    exists: (path) => groups.has(path),
    id: (path) => groups.get(path)?.id,
    read,
    write,
    children: (path) =>
      [...groups.keys()]
        .filter((other) => other !== '' && parentOf(other) === path)
        .map((other) => other.slice(other.lastIndexOf('/') + 1)),
    make,
    remove: (path) => {
      if (!groups.has(path)) return false
      if (
        [...groups].some(
          ([other, { processes }]) => (other !== path && inside(other, path)) || (other === path && processes.size > 0),
        )
      ) {
        throw new CgroupError('CGROUP_BUSY', { operation: 'remove the group', target: `/${path}`, errno: 'EBUSY' })
      }
      return groups.delete(path)
    },
    watch: (path, file, call) => {
      const key = `${path} ${file}`
      const calls = watchers.get(key) ?? new Set()
      watchers.set(key, calls.add(call))
      return () => void calls.delete(call)
    },
  })
  return Object.freeze<FakeCgroupfs>({
    cgroupfs,
    place: (text, pid) => {
      const path = parseCgroupPath(text)
      end(pid)
      for (const group of [...ancestorsOf(path), path]) if (group !== '') make(group)
      changeMembers(path, () => groups.get(path)?.processes.add(pid))
    },
    end,
    use: (text, bytes, pinned = 0) => {
      const group = groups.get(parseCgroupPath(text))
      if (group === undefined) return
      group.files.set('memory.current', String(bytes))
      group.pinned = pinned
    },
    put: (text, file, value) => {
      const path = parseCgroupPath(text)
      groups.get(path)?.files.set(file, value)
      wake(path, file)
    },
  })
}

function controllerOf(file: string): string {
  return file.slice(0, file.indexOf('.'))
}

/** Returns whether a group with processes cannot enable this controller. It can enable controllers that support threads. */
function isDomain(controller: string): boolean {
  return controller === 'memory' || controller === 'io'
}

function inside(path: CgroupPath, outer: CgroupPath): boolean {
  return outer === '' || path === outer || path.startsWith(`${outer}/`)
}

/** Returns the text of a file after this value was written to it. Returns undefined when the kernel would refuse the value. */
function taken(file: string, value: string, before: string): string | undefined {
  if (file === 'io.max') return withDevice(before, value)
  if (value.startsWith('-')) return undefined
  const row = rows.get(file)
  const parsed = row?.parse(value)
  if (row === undefined || parsed === undefined) return undefined
  if (parsed === '' && row.kind === 'numbers') return ''
  if (faultOfValue(row, parsed) !== undefined) return undefined
  // The kernel refuses a quota below one millisecond.
  if (row.kind === 'cores' && !/^(max|\d{4,15}) \d{4,7}$/.test(value)) return undefined
  if (file === 'io.weight' && !value.startsWith('default ')) return undefined
  if (row.kind === 'cores') return value
  return row.render(row.kind === 'bytes' && typeof parsed === 'number' ? parsed - (parsed % page) : parsed)
}

function withDevice(before: string, value: string): string | undefined {
  const [device = '', ...pairs] = value.split(' ')
  if (!/^\d+:\d+$/.test(device) || !pairs.every((pair) => /^[rw](bps|iops)=(max|[1-9]\d*)$/.test(pair)))
    return undefined
  const lines = new Map(
    before.split('\n').flatMap((line): [string, string][] => (line === '' ? [] : [[line.split(' ')[0] ?? '', line]])),
  )
  const limits = new Map<string, string>(deviceRows.map(({ path }) => [path[2], 'max']))
  for (const pair of [...(lines.get(device)?.split(' ').slice(1) ?? []), ...pairs]) {
    const [key = '', limit = ''] = pair.split('=')
    limits.set(key, limit)
  }
  lines.set(device, `${device} ${[...limits].map(([key, limit]) => `${key}=${limit}`).join(' ')}`)
  if ([...limits.values()].every((limit) => limit === 'max')) lines.delete(device)
  return [...lines.values()].join('\n')
}
