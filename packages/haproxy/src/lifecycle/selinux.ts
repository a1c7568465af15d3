import { findTool, hasSelinux, readPolicyContexts, type Command, type Host } from '@puppy/host'
import { parseListen } from '../listen.ts'
import type { LocationContext } from '../context.ts'
import type { ProxySettings } from '../settings.ts'

/** The parts of a distribution's SELinux policy that are about HAProxy. */
export interface ProxyPolicy {
  /** The context of the configuration, and the context of the files that HAProxy writes while it runs. */
  readonly configuration: string
  readonly runtime: string
  /** The booleans for HAProxy that this policy has. */
  readonly booleans: readonly string[]
  readonly programs: { readonly chcon: string; readonly setsebool: string }
}

/** First the name in Debian and the reference policy, then the name in Fedora. Fedora has one boolean for connecting and binding. */
const connecting = ['haproxy_connect_all_tcp_ports', 'haproxy_connect_any'] as const
const binding = ['haproxy_bind_all_tcp_ports', 'haproxy_connect_any'] as const

/** The ports that every policy allows HAProxy to bind. */
const webPorts = new Set([80, 443])

/**
 * Returns the commands to run before each start, so that a HAProxy which the policy confines (`haproxy_t`) may read its
 * configuration, create its sockets and connect to tenants. Pure.
 *
 * The contexts are those that the policy has for the distribution's own HAProxy. The booleans are set until the next boot. That takes
 * milliseconds and needs no policy commit.
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
 * Reads what the machine's policy contains for HAProxy. Returns undefined without SELinux, and where the policy does not confine HAProxy.
 * The policy of Debian 12 does not: it has no context for the run folder.
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
