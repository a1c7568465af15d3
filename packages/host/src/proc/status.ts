/** Real, effective, saved and file system id, in this order. */
export type Ids = readonly [real: number, effective: number, saved: number, fileSystem: number]

/** A process as described in `/proc/PID/status`. @see proc_pid_status(5) */
export interface ProcessStatus {
  readonly pid: number
  /** The pid of the parent; 0 when it is outside of our pid namespace. */
  readonly parent: number
  /** The short name. The process can choose it freely, with any characters, including line feeds. Up to 15 bytes for a program. */
  readonly name: string
  /** `R` running, `S` sleeping, `D` in uninterruptible sleep, `T` stopped, `t` traced, `Z` zombie, `X` dead, `I` idle kernel thread. */
  readonly state: string
  readonly threads: number
  /** The real user id. */
  readonly uid: number
  /** All four user ids. They differ for a process that changes its identity. */
  readonly uids: Ids
  readonly gids: Ids
  /** Whether the process can still act. A zombie cannot, unless it has other threads: the first thread can end before the others. */
  readonly alive: boolean
}

/**
 * Parses `/proc/PID/status`. Returns undefined for text that is incomplete or of another form. Pure.
 *
 * ```text
 * Name:	sleep
 * Umask:	0022
 * State:	S (sleeping)
 * Pid:	4242
 * Uid:	10000	10000	10000	10000
 * ```
 *
 * The kernel writes a line feed in the name as `\n` and a backslash as `\\`. Every other byte is unchanged. Only a line feed ends a line: a
 * name such as `\rUid:\t0` with a real carriage return is still the name.
 */
export function parseStatus(text: string): ProcessStatus | undefined {
  if (!text.startsWith('Name:\t') || !text.endsWith('\n')) return undefined
  // A search for each key, because splitting the sixty lines takes longer than the kernel needs to write them.
  const field = (key: string) => {
    const line = `\n${key}:\t`
    const at = text.indexOf(line)
    // A key that occurs twice has no value.
    if (at < 0 || text.includes(line, at + 1)) return ''
    return text.slice(at + line.length, text.indexOf('\n', at + 1))
  }
  const number = (key: string) => parseId(field(key))
  const [pid, parent, threads] = [number('Pid'), number('PPid'), number('Threads')]
  const [uids, gids] = [parseIds(field('Uid')), parseIds(field('Gid'))]
  const [, state] = /^([A-Za-z]) \(/.exec(field('State')) ?? []
  if (pid === undefined || parent === undefined || threads === undefined) return undefined
  if (uids === undefined || gids === undefined || state === undefined) return undefined
  const name = unescapeName(text.slice('Name:\t'.length, text.indexOf('\n')))
  return { pid, parent, name, state, threads, uid: uids[0], uids, gids, alive: isAlive(state, threads) }
}

/** Returns whether a process in this state, with this number of threads, can still act. Pure. */
export function isAlive(state: string, threads: number): boolean {
  return !/^[ZXx]$/.test(state) || threads > 1
}

/** Ids and pids have 32 bits. */
function parseId(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : undefined
}

function parseIds(text: string): Ids | undefined {
  const ids = text.split('\t').map(parseId)
  const [real, effective, saved, fileSystem] = ids
  if (ids.length !== 4 || real === undefined || effective === undefined) return undefined
  return saved === undefined || fileSystem === undefined ? undefined : [real, effective, saved, fileSystem]
}

function unescapeName(text: string): string {
  return text.replaceAll(/\\([n\\])/g, (_, escaped: string) => (escaped === 'n' ? '\n' : '\\'))
}
