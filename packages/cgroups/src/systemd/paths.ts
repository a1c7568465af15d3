import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'

/** Options of `openSlices`. */
export interface SlicesOptions {
  /** The name of our drop-in, without `.conf`. A drop-in whose name sorts later overrides an earlier one. Default: `50-puppy`. */
  readonly name?: string
  /** The folder for records of unfinished work, which a reboot may delete. Default: `/run/puppy-cgroups`. */
  readonly runFolder?: string
  /** The mount point of the tree. Default: `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree to use, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** Returns the path of our drop-in for a slice. */
export function dropInPath(slice: string, { name = '50-puppy' }: SlicesOptions = {}): string {
  return `/etc/systemd/system/${slice}.d/${name}.conf`
}

/** Returns the path of the record of unfinished slices. It has one slice in each line. */
export function notePath({ runFolder = '/run/puppy-cgroups' }: SlicesOptions = {}): string {
  return `${runFolder}/unfinished`
}

/** Returns the path of the record of replaced port rules. Each line has a slice and the ids of its links. */
export function oldLinksPath({ runFolder = '/run/puppy-cgroups' }: SlicesOptions = {}): string {
  return `${runFolder}/old-port-rules`
}
