/** `'max'` lifts a limit; a number is the limit. An absent key leaves what there is alone. */
export type Limit = number | 'max'

export interface CpuLimits {
  /** Cores' worth of time: 1.5 is one and a half. In steps of 0.01, rounded up as systemd does. `cpu.max` */
  readonly max?: Limit
  /** The share beside others, 1 to 10000; 100 is usual. `cpu.weight` */
  readonly weight?: number
  /** Whether it runs only when nobody else wants to. `cpu.idle` */
  readonly idle?: boolean
  /** Microseconds that may be saved up and spent above `max`. Direct only. `cpu.max.burst` */
  readonly burst?: number
}

export interface CpusetLimits {
  /** Cpus, as `0-2,5`. */
  readonly cpus?: string
  /** Memory nodes. */
  readonly mems?: string
}

/** Bytes. The kernel rounds down to whole pages. */
export interface MemoryLimits {
  readonly min?: Limit
  readonly low?: Limit
  /** Above it the group is slowed down and reclaimed from, and nobody is killed. */
  readonly high?: Limit
  /** Above it the group's processes are killed. */
  readonly max?: Limit
  readonly swapMax?: Limit
  readonly zswapMax?: Limit
  /** Whether all die together. Direct only. */
  readonly oomGroup?: boolean
}

export interface PidsLimits {
  /** Processes and threads, at least 1. */
  readonly max?: Limit
}

export interface DeviceLimits {
  /** A mount point or any path on it, a device (`/dev/sda`), or `8:0`. A partition stands for its disk. */
  readonly device: string
  /** Bytes in a second. */
  readonly rbps?: Limit
  readonly wbps?: Limit
  /** Operations in a second. */
  readonly riops?: Limit
  readonly wiops?: Limit
}

export interface IoLimits {
  /** The share beside others, 1 to 10000; 100 is usual. `io.weight` */
  readonly weight?: number
  readonly max?: readonly DeviceLimits[]
}

/** What a group of processes may use, in the words of the kernel's files. */
export interface Limits {
  readonly cpu?: CpuLimits
  readonly cpuset?: CpusetLimits
  readonly memory?: MemoryLimits
  readonly pids?: PidsLimits
  readonly io?: IoLimits
  /** Bytes by page size: `{ '2MB': 0 }`. Direct only. */
  readonly hugetlb?: Readonly<Record<string, Limit>>
  /** By resource. Direct only. */
  readonly misc?: Readonly<Record<string, Limit>>
  /** Any other file of a controller, as it stands: `{ 'cpuset.cpus.partition': 'root' }`. Direct only, and read back as text. */
  readonly raw?: Readonly<Record<string, string>>
}
