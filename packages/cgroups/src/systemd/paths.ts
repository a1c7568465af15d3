import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'

/** Where slices and the notes about them are. */
export interface SlicesOptions {
  /** The name of our drop-in, without `.conf`. Default `50-puppy`; one that sorts later wins over one that sorts earlier. */
  readonly name?: string
  /** Where unfinished work is noted. A reboot ends it. Default `/run/puppy-cgroups`. */
  readonly runFolder?: string
  /** Where the tree is mounted. Default `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree itself, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** Returns the path of a slice's drop-in. */
export function dropInPath(slice: string, { name = '50-puppy' }: SlicesOptions = {}): string {
  return `/etc/systemd/system/${slice}.d/${name}.conf`
}

/** Returns the path of the note of unfinished slices, one in a line. */
export function notePath({ runFolder = '/run/puppy-cgroups' }: SlicesOptions = {}): string {
  return `${runFolder}/unfinished`
}

/** Returns the path of the note of port rules that were replaced: a slice and the ids of links in a line each. */
export function oldLinksPath({ runFolder = '/run/puppy-cgroups' }: SlicesOptions = {}): string {
  return `${runFolder}/old-port-rules`
}
