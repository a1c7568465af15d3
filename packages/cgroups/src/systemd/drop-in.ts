import { CgroupError } from '../errors.ts'
import type { Limits } from '../limits/limits.ts'
import { renderProperties } from '../limits/properties.ts'

/** An inclusive range of ports. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** The ports below `firstFreePort` that processes of a slice may bind. They may always bind port 0 and the ports from `firstFreePort`. */
export interface PortRules {
  readonly allow: readonly (number | PortRange)[]
}

/** The first port without a rule. The kernel assigns ports from here on at random. */
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
 * Parses the properties of a drop-in, ours or one of `systemctl set-property`. Ignores blank lines, comments and sections. Pure.
 */
export function parseDropIn(text: string): readonly { readonly property: string; readonly value: string }[] {
  return text.split('\n').flatMap((line) => {
    const at = line.indexOf('=')
    const property = line.slice(0, Math.max(at, 0)).trim()
    return /^[A-Za-z]{1,64}$/.test(property) ? [{ property, value: line.slice(at + 1).trim() }] : []
  })
}

/** Returns whether our drop-in has port rules. */
export function hasPortRules(text: string | undefined): boolean {
  return text?.includes('\nSocketBindDeny=1-') === true
}

/**
 * Denies all ports except 0 as a range. `any` would also match port 0, which every UDP client binds. The first two lines clear the lists,
 * so that no rule of another drop-in applies.
 */
function portRuleLines({ allow }: PortRules): readonly string[] {
  const ports = allow.map((range) => {
    const { first, last } = typeof range === 'number' ? { first: range, last: range } : range
    const whole = Number.isInteger(first) && Number.isInteger(last)
    if (!whole || first < 1 || last >= firstFreePort || first > last) {
      throw new CgroupError('CGROUP_INVALID', {
        operation: 'allow ports',
        value: `${first}-${last}`,
        detail: `ports are 1 to ${firstFreePort - 1}, and the first must not be above the last`,
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
