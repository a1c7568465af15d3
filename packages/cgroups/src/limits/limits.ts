/** A limit. `'max'` means no limit. */
export type Limit = number | 'max'

/** Limits of the controller `cpu`. */
export interface CpuLimits {
  /** Number of processors, such as 1.5. Rounded up to steps of 0.01, as systemd does. `cpu.max` */
  readonly max?: Limit
  /** The share of processor time relative to other groups, from 1 to 10000. The default of the kernel is 100. `cpu.weight` */
  readonly weight?: number
  /** Whether the group runs only when no other group is ready to run. `cpu.idle` */
  readonly idle?: boolean
  /** Microseconds that the group can save while it is below `max` and use above it later. Not in a slice. `cpu.max.burst` */
  readonly burst?: number
}

/** Limits of the controller `cpuset`. */
export interface CpusetLimits {
  /** Processors, such as `0-2,5`. `cpuset.cpus` */
  readonly cpus?: string
  /** Memory nodes. `cpuset.mems` */
  readonly mems?: string
}

/** Limits of the controller `memory`, in bytes. The kernel rounds them down to whole pages. */
export interface MemoryLimits {
  readonly min?: Limit
  readonly low?: Limit
  /** Above this limit, the kernel slows down the group and reclaims its memory. It kills no process. `memory.high` */
  readonly high?: Limit
  /** At this limit, the kernel reclaims memory and kills processes of the group if that is not enough. `memory.max` */
  readonly max?: Limit
  readonly swapMax?: Limit
  readonly zswapMax?: Limit
  /** Whether the kernel kills all processes of the group together. Not in a slice. `memory.oom.group` */
  readonly oomGroup?: boolean
}

/** Limits of the controller `pids`. */
export interface PidsLimits {
  /** Processes and threads, at least 1. `pids.max` */
  readonly max?: Limit
}

/** The limits of one disk. `io.max` */
export interface DeviceLimits {
  /** A mount point or any path on it, a device (`/dev/sda`), or `8:0`. A partition means its whole disk. */
  readonly device: string
  /** Bytes per second. */
  readonly rbps?: Limit
  readonly wbps?: Limit
  /** Operations per second. */
  readonly riops?: Limit
  readonly wiops?: Limit
}

/** Limits of the controller `io`. */
export interface IoLimits {
  /** The share of disk time relative to other groups, from 1 to 10000. The default of the kernel is 100. `io.weight` */
  readonly weight?: number
  readonly max?: readonly DeviceLimits[]
}

/**
 * The limits of a group of processes. The names are those of the kernel's files.
 *
 * An absent key does not change that limit.
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
  /** Any other file of a controller, verbatim: `{ 'cpuset.cpus.partition': 'root' }`. Compared as text. Not in a slice. */
  readonly raw?: Readonly<Record<string, string>>
}
