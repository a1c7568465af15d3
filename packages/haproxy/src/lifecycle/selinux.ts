import { findTool, hasSelinux, readPolicyContexts, type Command, type Host } from '@puppy/host'
import { parseListen } from '../listen.ts'
import type { LocationContext } from '../context.ts'
import type { ProxySettings } from '../settings.ts'

/** What a distribution's SELinux policy says of HAProxy. */
export interface ProxyPolicy {
  /** The context of its configuration, and of what it writes while it runs. */
  readonly configuration: string
  readonly runtime: string
  /** Those of its booleans that this policy has. */
  readonly booleans: readonly string[]
  readonly programs: { readonly chcon: string; readonly setsebool: string }
}

/** Debian's (and the reference policy's) name, and Fedora's. The second of each pair is also for binding. */
const connecting = ['haproxy_connect_all_tcp_ports', 'haproxy_connect_any'] as const
const binding = ['haproxy_bind_all_tcp_ports', 'haproxy_connect_any'] as const

/** The ports that every policy lets HAProxy bind. */
const webPorts = new Set([80, 443])

/**
 * Plans what must be done before each start, so that a HAProxy which the policy confines (`haproxy_t`) may read its
 * configuration, make its sockets and reach tenants. Pure.
 *
 * Contexts are the ones that the policy gives to the distribution's own HAProxy; booleans are set until the next boot, in
 * milliseconds, rather than by a policy commit.
 */
export function planContexts(policy: ProxyPolicy, settings: ProxySettings): readonly Command[] {
  const { chcon, setsebool } = policy.programs
  const ports = [...settings.listen, ...(settings.tls?.listen ?? [])].map((text) => parseListen(text)?.port ?? 0)
  const names = new Set<string>([...connecting, ...(ports.every((port) => webPorts.has(port)) ? [] : binding)])
  const switches = policy.booleans.filter((name) => names.has(name)).map((name) => `${name}=on`)
  const labels: readonly Command[] = [
    [chcon, '-R', '--', policy.configuration, settings.folder],
    [chcon, '-R', '--', policy.runtime, settings.runFolder],
  ]
  return switches.length === 0 ? labels : [...labels, [setsebool, ...switches]]
}

/**
 * Asks the machine's policy. Undefined without SELinux, or where the policy does not confine HAProxy, as Debian 12's, which has no
 * context for its run folder.
 */
export async function readPolicy({ host }: LocationContext): Promise<ProxyPolicy | undefined> {
  const [chcon, setsebool] = [findTool(host, 'chcon'), findTool(host, 'setsebool')]
  if (chcon === undefined || setsebool === undefined || !(await hasSelinux(host))) return undefined
  const paths = ['/etc/haproxy/haproxy.cfg', '/run/haproxy/admin.sock']
  const [configuration, runtime] = await readPolicyContexts(host, paths)
  if (configuration === undefined || runtime === undefined) return undefined
  const names = [...new Set([...connecting, ...binding])]
  const there = await Promise.all(names.map((name) => hasBoolean(host, name)))
  const booleans = names.filter((_, index) => there[index] === true)
  return { configuration, runtime, booleans, programs: { chcon, setsebool } }
}

async function hasBoolean(host: Host, name: string): Promise<boolean> {
  return (await host.status(`/sys/fs/selinux/booleans/${name}`)) !== undefined
}
