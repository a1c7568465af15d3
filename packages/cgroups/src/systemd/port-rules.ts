import { mapLimit, HostError, type Host } from '@puppy/host'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { parentOf } from '../path.ts'
import { slicePath } from '../unit.ts'

/** A BPF program that systemd keeps attached to a group. The kernel runs it at each bind(2). */
export interface PortRuleLink {
  /** The id of the link. It grows with every new link and is not reused before a reboot. */
  readonly id: number
  /** The id of the group, which is the inode of its folder. */
  readonly group: bigint
  readonly family: 'inet' | 'inet6'
}

/** BPF_CGROUP_INET4_BIND and BPF_CGROUP_INET6_BIND of `enum bpf_attach_type`. */
const families: Readonly<Record<string, PortRuleLink['family']>> = { '8': 'inet', '9': 'inet6' }

/**
 * Parses `/proc/PID/fdinfo/N`. Returns undefined when it is not the link of a program for bind(2).
 *
 * ```text
 * pos:	0
 * link_type:	cgroup
 * link_id:	5
 * prog_tag:	378f991df5870a2f
 * cgroup_id:	2960
 * attach_type:	8
 * ```
 */
export function parsePortRuleLink(text: string): PortRuleLink | undefined {
  const of = (key: string) => new RegExp(`(?:^|\n)${key}:\\s*(\\w{1,20})(?:\n|$)`).exec(text)?.[1] ?? ''
  const family = of('link_type') === 'cgroup' ? families[of('attach_type')] : undefined
  const [id, group] = [of('link_id'), of('cgroup_id')]
  if (family === undefined || !/^\d{1,10}$/.test(id) || !/^\d+$/.test(group)) return undefined
  return { id: Number(id), group: BigInt(group), family }
}

/**
 * Reads the links of port rules in the kernel, by group. Returns undefined without root.
 *
 * systemd reports only what it was asked for. The descriptors of process 1 show what it did: a program is attached as long as process 1 has
 * a descriptor for it.
 */
export async function readPortRuleLinks(host: Host): Promise<ReadonlyMap<bigint, readonly PortRuleLink[]> | undefined> {
  const folder = '/proc/1/fdinfo'
  try {
    const texts = await mapLimit(await host.list(folder), 32, (name) =>
      host.read(`${folder}/${name}`, { blocking: true }),
    )
    const links = texts.flatMap((text) => parsePortRuleLink(text ?? '') ?? [])
    return Map.groupBy(links, ({ group }) => group)
  } catch (error) {
    if (error instanceof HostError && error.code === 'HOST_READ_FAILED') return undefined
    throw error
  }
}

/** Returns whether both address families have a program. With several programs, a bind succeeds only when all allow it. */
export function areComplete(links: readonly PortRuleLink[]): boolean {
  return ['inet', 'inet6'].every((family) => links.some((link) => link.family === family))
}

/** Returns the slices in use that have the same parents as these slices. */
export function busyNeighbours(cgroupfs: Cgroupfs, slices: readonly string[]): readonly string[] {
  const parents = new Set(slices.map((slice) => parentOf(slicePath(slice))))
  return [...parents].flatMap((parent) => cgroupfs.children(parent).filter((name) => name.endsWith('.slice')))
}

/**
 * Parses the record of replaced port rules. Each line has a slice and the ids of its links. Pure.
 *
 * ```text
 * user-10001.slice 3 4
 * ```
 */
export function parseOldLinks(text: string): ReadonlyMap<string, readonly number[]> {
  return new Map(
    text.split('\n').flatMap((line): [string, number[]][] => {
      const [slice = '', ...ids] = line.split(' ')
      return slice === '' ? [] : [[slice, ids.filter((id) => /^\d{1,10}$/.test(id)).map(Number)]]
    }),
  )
}

/** Renders the record that `parseOldLinks` parses. Pure. */
export function renderOldLinks(old: ReadonlyMap<string, readonly number[]>): string {
  return [...old].map(([slice, ids]) => `${[slice, ...ids].join(' ')}\n`).join('')
}
