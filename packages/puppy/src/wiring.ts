import { join } from 'node:path'
import { assertLayout, slotCount, type SlotLayout } from '@puppy/accounts'
import type { FacilitiesOptions } from '@puppy/agent'
import { openFirewall } from '@puppy/firewall'
import { createHost, type Host } from '@puppy/host'
import { readListeners } from '@puppy/host/proc'
import type { Haproxy, ProxySettings } from '@puppy/haproxy'
import type { Config } from './config.ts'
import { placesOf } from './places.ts'
import type { SystemUsers } from './system-users.ts'

/** Opens the machine and the host that runs tenants. Both are the same unless PUPPY_ROOT sets a folder as the host. */
export function openHosts(config: Pick<Config, 'live' | 'root'>): { readonly machine: Host; readonly host: Host } {
  const machine = createHost()
  return { machine, host: config.live ? machine : createHost({ root: config.root }) }
}

/** Returns the layout that the slots here were built with, or that of the settings when there are none. */
export async function layoutOf(config: Config, machine: Host): Promise<SlotLayout> {
  const kept = await machine.read(placesOf(config).slots)
  if (kept === undefined) return config.layout
  const layout = JSON.parse(kept) as SlotLayout
  assertLayout(layout)
  return layout
}

/** The settings, and what was found on the host. */
export interface Site {
  readonly config: Config
  /** The host that runs tenants. */
  readonly host: Host
  /** Undefined without root: then all processes run as the same user. */
  readonly users: SystemUsers | undefined
  /** Whether systemd is the init of this host, as `runsSystemd` of `@puppy/host` finds it. */
  readonly systemd: boolean
}

/** Returns the firewall of this host, the users that may connect to tenants, and Puppy's own ports, on which no other user may listen. */
export function firewallSettings(
  { config, host, users, systemd }: Site,
  haproxy: Pick<Haproxy, 'alive'>,
): FacilitiesOptions['firewall'] {
  const proxy = [0, ...(users === undefined ? [] : [users.haproxy.uid])]
  // The socket belongs to root, because `puppy up` binds it. The connections belong to the user of the API, which accepts them.
  const api = users === undefined ? [process.getuid?.() ?? 0] : [0, users.api.uid]
  const apiListens = async () =>
    (await readListeners(host)).some(({ port, uid }) => port === config.listen.port && api.includes(uid))
  const { listen, tlsListen, certificates } = config.proxy
  const ports = [...listen, ...(certificates === undefined ? [] : tlsListen)].map(portOf)
  return {
    firewall: openFirewall(host, { folder: join(config.runDir, 'firewall') }),
    callers: proxy,
    guards: [
      { name: 'api', port: config.listen.port, uids: api, isOurs: apiListens },
      ...[...new Set(ports)].map((port) => ({
        name: `proxy-${port}`,
        port,
        uids: proxy,
        isOurs: () => haproxy.alive(),
      })),
    ],
    ...(systemd ? { rulesFile: '/etc/puppy/firewall.json' } : {}),
  }
}

/** Returns the port of `:80`, `127.0.0.1:80` or `[::1]:80`. */
function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

/** Returns the settings of HAProxy on this host. */
export function proxySettings({ config, users, systemd }: Omit<Site, 'host'>): ProxySettings {
  const { certificates, listen, tlsListen, connectionsPerAddress, requestsPerAddress, bodyRate } = config.proxy
  return {
    folder: placesOf(config).proxy,
    runFolder: join(config.runDir, 'haproxy'),
    listen,
    ...(certificates === undefined ? {} : { tls: { listen: tlsListen, certificates: [certificates] } }),
    firstPort: config.layout.firstPort,
    portsPerSlot: config.layout.portsPerSlot,
    slots: slotCount(config.layout),
    connectionsPerTenant: 200,
    connectionsPerAddress,
    requestsPerAddress,
    bodyRate,
    ...(users === undefined ? {} : { user: users.haproxy.user, group: users.haproxy.group }),
    ...(systemd ? { service: 'puppy-haproxy' } : {}),
  }
}
