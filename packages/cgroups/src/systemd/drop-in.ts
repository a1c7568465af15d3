import { CgroupError } from '../errors.ts'
import type { Limits } from '../limits/limits.ts'
import { renderProperties } from '../limits/properties.ts'

/** Ports in a row. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** Which ports below `firstFreePort` processes of a slice may bind. Port 0 and those from it on are free for all. */
export interface PortRules {
  readonly allow: readonly (number | PortRange)[]
}

/** The first port that no rule is about: the kernel hands out the ports from here by chance. */
export const firstFreePort = 32_768

const note = '# Written by @puppy/cgroups, and again whenever it differs.\n'

/**
 * Renders the drop-in of a slice. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function renderDropIn(limits: Limits, portRules?: PortRules): string {
  const lines = [...renderProperties(limits), ...(portRules === undefined ? [] : portRuleLines(portRules))]
  return `${note}[Slice]\n${lines.map((line) => `${line}\n`).join('')}`
}

/**
 * Reads the properties of a drop-in, ours or one that `systemctl set-property` wrote. Blank lines, comments and sections are left out. Pure.
 */
export function parseDropIn(text: string): readonly { readonly property: string; readonly value: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, property, value] = /^\s*([A-Za-z]{1,64})\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return property === undefined || value === undefined ? [] : [{ property, value }]
  })
}

/** Returns whether a drop-in of ours has port rules. */
export function hasPortRules(text: string | undefined): boolean {
  return text?.includes('\nSocketBindDeny=1-') === true
}

/**
 * All ports but 0 are denied as a range: `any` would match 0 too, which every UDP client binds. The lists begin empty, so that
 * nothing is left of what another drop-in has set.
 */
function portRuleLines({ allow }: PortRules): readonly string[] {
  const ports = allow.map((range) => {
    const { first, last } = typeof range === 'number' ? { first: range, last: range } : range
    const whole = Number.isInteger(first) && Number.isInteger(last)
    if (!whole || first < 1 || last >= firstFreePort || first > last) {
      throw new CgroupError('CGROUP_INVALID', {
        operation: 'allow to bind',
        value: `${first}-${last}`,
        detail: `ports are 1 to ${firstFreePort - 1}`,
      })
    }
    return first === last ? `${first}` : `${first}-${last}`
  })
  return [
    'SocketBindAllow=',
    'SocketBindDeny=',
    ...ports.map((range) => `SocketBindAllow=${range}`),
    `SocketBindDeny=1-${firstFreePort - 1}`,
  ]
}
