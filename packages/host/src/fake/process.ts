/** A process in `/proc` of a fake host. */
export interface FakeProcess {
  readonly pid: number
  /** All of its user and group ids. */
  readonly uid: number
  /** Default `sh`. */
  readonly name?: string
  /** Default `S`. */
  readonly state?: string
  /** Default 1. */
  readonly parent?: number
  /** Default 1. */
  readonly threads?: number
  /** Clock ticks since boot. Default 100. */
  readonly started?: number
  /** Its arguments. Default: none, as for a kernel thread. */
  readonly command?: readonly string[]
  /** Its cgroup, without a leading slash. Default: the root. */
  readonly group?: string
}

/** Renders the files `status`, `stat`, `cmdline` and `cgroup` of a process, by path. Pure. */
export function renderFakeProcess(process: FakeProcess): Readonly<Record<string, string>> {
  const {
    pid,
    uid,
    name = 'sh',
    state = 'S',
    parent = 1,
    threads = 1,
    started = 100,
    command = [],
    group = '',
  } = process
  const escaped = name.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
  const ids = Array.from({ length: 4 }, () => uid).join('\t')
  const fields = new Map([
    [4, parent],
    [20, threads],
    [22, started],
  ])
  const numbers = Array.from({ length: 49 }, (_, index) => fields.get(index + 4) ?? 0)
  const folder = `/proc/${pid}`
  return {
    [`${folder}/status`]: `Name:\t${escaped}\nUmask:\t0022\nState:\t${state} (${state})\nPid:\t${pid}\nPPid:\t${parent}\nUid:\t${ids}\nGid:\t${ids}\nThreads:\t${threads}\n`,
    [`${folder}/stat`]: `${pid} (${name}) ${state} ${numbers.join(' ')}\n`,
    [`${folder}/cmdline`]: command.map((word) => `${word}\0`).join(''),
    [`${folder}/cgroup`]: `0::/${group}\n`,
  }
}
