import type { Host } from '@puppy/host'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { slicePath } from '../unit.ts'

/** The port rules of a systemd in memory, as descriptors of process 1. */
export interface FakePortRules {
  /** Attaches the port rules of a slice, and of all sibling slices whose rules are not attached, as systemd does when it writes a slice. */
  install(host: Host, slice: string, ruled: readonly string[]): Promise<void>
  /** Detaches the port rules that systemd tracks, as systemd 257 does at a reload. */
  reload(host: Host): Promise<void>
}

const folder = '/proc/1/fdinfo'

/**
 * Creates the port rules of a systemd in memory, with the faults of the real systemd. If rules are attached a second time without a reload
 * in between, the first copy is never detached. A reload detaches the rules until another event happens.
 */
export function createFakePortRules(cgroupfs: Cgroupfs): FakePortRules {
  const known = new Map<string, readonly number[]>()
  let last = 0
  const attach = async (host: Host, slice: string) => {
    const group = cgroupfs.id(slicePath(slice))
    if (group === undefined) return
    const pair: number[] = []
    for (const type of [8, 9]) {
      last += 1
      pair.push(last)
      const text = `pos:\t0\nlink_type:\tcgroup\nlink_id:\t${last}\nprog_id:\t1\ncgroup_id:\t${group}\nattach_type:\t${type}\n`
      await host.makeFolder(folder)
      await host.replace(`${folder}/${last + 100}`, text)
    }
    known.set(slice, pair)
  }
  return {
    install: async (host, slice, ruled) => {
      for (const name of ruled) if (name === slice || !known.has(name)) await attach(host, name)
    },
    reload: async (host) => {
      for (const pair of known.values()) for (const id of pair) await host.remove(`${folder}/${id + 100}`)
      known.clear()
    },
  }
}
