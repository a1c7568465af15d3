/** A number is the limit, and `'max'` lifts it. */
export type Limit = number | 'max'

export interface CpuLimits {
  /** Processors: 1.5 is one and a half. In steps of 0.01, rounded up as systemd does. `cpu.max` */
  readonly max?: Limit
  /** The share of processor time relative to other groups, 1 to 10000. The kernel's default is 100. `cpu.weight` */
  readonly weight?: number
  /** Whether the group runs only when no other group wants to. `cpu.idle` */
  readonly idle?: boolean
  /** Microseconds that may be saved up and spent above `max`. Not in a slice. `cpu.max.burst` */
  readonly burst?: number
}

export interface CpusetLimits {
  /** Processors, such as `0-2,5`. `cpuset.cpus` */
  readonly cpus?: string
  /** Memory nodes. `cpuset.mems` */
  readonly mems?: string
}

/** Bytes. The kernel rounds down to whole pages. */
export interface MemoryLimits {
  readonly min?: Limit
  readonly low?: Limit
  /** Above it the kernel slows the group down and reclaims from it. No process is killed. `memory.high` */
  readonly high?: Limit
  /** Above it the kernel kills processes of the group. `memory.max` */
  readonly max?: Limit
  readonly swapMax?: Limit
  readonly zswapMax?: Limit
  /** Whether the kernel kills all processes of the group together. Not in a slice. `memory.oom.group` */
  readonly oomGroup?: boolean
}

export interface PidsLimits {
  /** Processes and threads, at least 1. `pids.max` */
  readonly max?: Limit
}

export interface DeviceLimits {
  /** A mount point or any path on it, a device (`/dev/sda`), or `8:0`. A partition stands for its disk. */
  readonly device: string
  /** Bytes per second. */
  readonly rbps?: Limit
  readonly wbps?: Limit
  /** Operations per second. */
  readonly riops?: Limit
  readonly wiops?: Limit
}

export interface IoLimits {
  /** The share of the disks relative to other groups, 1 to 10000. The kernel's default is 100. `io.weight` */
  readonly weight?: number
  readonly max?: readonly DeviceLimits[]
}

/**
 * What a group of processes may use, in the words of the kernel's files.
 *
 * An absent key says nothing about that limit: its file is left alone.
 */
export interface Limits {
  readonly cpu?: CpuLimits
  readonly cpuset?: CpusetLimits
  readonly memory?: MemoryLimits
  readonly pids?: PidsLimits
  readonly io?: IoLimits
  /** Bytes by page size: `{ '2MB': 0 }`. Not in a slice. */
  readonly hugetlb?: Readonly<Record<string, Limit>>
  /** By resource. Not in a slice. */
  readonly misc?: Readonly<Record<string, Limit>>
  /** Any other file of a controller, verbatim: `{ 'cpuset.cpus.partition': 'root' }`. Not in a slice. It is read back as text. */
  readonly raw?: Readonly<Record<string, string>>
}
