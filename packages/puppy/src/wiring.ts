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

/** The machine itself, and the host that carries tenants: the same unless a root folder stands in its place. */
export function openHosts(config: Pick<Config, 'live' | 'root'>): { readonly machine: Host; readonly host: Host } {
  const machine = createHost()
  return { machine, host: config.live ? machine : createHost({ root: config.root }) }
}

/** What the slots here were made with, whatever the environment says today. */
export async function layoutOf(config: Config, machine: Host): Promise<SlotLayout> {
  const kept = await machine.read(placesOf(config).slots)
  if (kept === undefined) return config.layout
  const layout = JSON.parse(kept) as SlotLayout
  assertLayout(layout)
  return layout
}

/** What the parts are wired by: the settings, and what was found on the host. */
export interface Site {
  readonly config: Config
  /** The host that carries tenants. */
  readonly host: Host
  /** Absent when we are not root: then everything is ourselves. */
  readonly users: SystemUsers | undefined
  /** Whether systemd is the init of this host, as `runsSystemd` of `@puppy/host` finds it. */
  readonly systemd: boolean
}

/** Returns the firewall of this host, the users that it lets through, and the ports of ours that no other user may answer from. */
export function firewallSettings(
  { config, host, users, systemd }: Site,
  haproxy: Pick<Haproxy, 'alive'>,
): FacilitiesOptions['firewall'] {
  const proxy = [0, ...(users === undefined ? [] : [users.haproxy.uid])]
  // It gives up root before it listens.
  const api = [users?.api.uid ?? process.getuid?.() ?? 0]
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

/** The port at the end of `:80`, `127.0.0.1:80` or `[::1]:80`. */
function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

/** What HAProxy is configured with on this host. */
export function proxySettings({ config, users, systemd }: Omit<Site, 'host'>): ProxySettings {
  const { certificates, listen, tlsListen } = config.proxy
  return {
    folder: placesOf(config).proxy,
    runFolder: join(config.runDir, 'haproxy'),
    listen,
    ...(certificates === undefined ? {} : { tls: { listen: tlsListen, certificates: [certificates] } }),
    firstPort: config.layout.firstPort,
    portsPerSlot: config.layout.portsPerSlot,
    slots: slotCount(config.layout),
    connectionsPerTenant: 200,
    ...(users === undefined ? {} : { user: users.haproxy.user, group: users.haproxy.group }),
    ...(systemd ? { service: 'puppy-haproxy' } : {}),
  }
}
