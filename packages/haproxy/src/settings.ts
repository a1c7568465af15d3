import { normalize } from 'node:path'
import { HaproxyError } from './errors.ts'
import { parseListen } from './listen.ts'

/** Which HAProxy: where its files are and what runs it. */
export interface ProxyLocation {
  /** Absolute folder for `haproxy.cfg`, the maps, the crt-list and the last good copy. Created with mode 0700. */
  readonly folder: string
  /** Absolute, short folder of its own for `haproxy.sock`, `haproxy.pid` and `peers/`. Created with mode 0711. */
  readonly runFolder: string
  /** Name of a systemd unit that runs it on a live host with systemd. Absent: never systemd. */
  readonly service?: string
}

/** The ports of tenants. The slot of a port is `(port - firstPort) / portsPerSlot`. */
export interface PortRange {
  /** The first port that belongs to a tenant. */
  readonly firstPort: number
  readonly portsPerSlot: number
  /** How many tenants there may be at most. */
  readonly slots: number
}

/** What the configuration says. None of it is a tenant: tenants are rows of the maps. */
export interface ConfigSpec extends PortRange {
  /** `:80` (every address, IPv4 and IPv6), `127.0.0.1:8080`, `[::1]:8080`. */
  readonly listen: readonly string[]
  /** Where TLS is spoken, and with which certificates. */
  readonly tls?: {
    readonly listen: readonly string[]
    /** PEM files (certificate, chain and key in one), and folders whose `*.pem` files are served. A path that ends in `.pem` is a file. */
    readonly certificates: readonly string[]
  }
  /** Requests of one tenant served at a time; more are answered 503 at once. */
  readonly connectionsPerTenant: number
  /** The user and group that HAProxy changes to after binding. Absent: it stays the caller's. */
  readonly user?: string
  readonly group?: string
}

/** Location and spec together. */
export interface ProxySettings extends ProxyLocation, ConfigSpec {}

/** HAProxy 2.6 refuses a longer path of a unix socket. */
export const maxSocketPath = 97

/** The files of one proxy, absolute. */
export interface ProxyFiles {
  readonly config: string
  /** What flock(2) is taken on beside the configuration. */
  readonly lock: string
  readonly hosts: string
  readonly suspended: string
  readonly crtList: string
  readonly goodConfig: string
  readonly goodCrtList: string
  readonly staged: string
  readonly socket: string
  /** The folder that only HAProxy's own group may pass, and the socket in it. */
  readonly peersFolder: string
  readonly peers: string
  readonly pid: string
}

/** Returns where the files of a proxy are. Pure. */
export function proxyFiles({ folder, runFolder }: Pick<ProxyLocation, 'folder' | 'runFolder'>): ProxyFiles {
  return {
    config: `${folder}/haproxy.cfg`,
    lock: `${folder}/haproxy.cfg.flock`,
    hosts: `${folder}/hosts.map`,
    suspended: `${folder}/suspended.map`,
    crtList: `${folder}/certificates.crt-list`,
    goodConfig: `${folder}/haproxy.cfg.good`,
    goodCrtList: `${folder}/certificates.crt-list.good`,
    staged: `${folder}/staged`,
    socket: `${runFolder}/haproxy.sock`,
    peersFolder: `${runFolder}/peers`,
    peers: `${runFolder}/peers/sock`,
    pid: `${runFolder}/haproxy.pid`,
  }
}

/**
 * Refuses settings that HAProxy could not be started with. Pure.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID` naming the setting.
 */
export function assertSettings(settings: ProxySettings): void {
  assertLocation(settings)
  for (const path of settings.tls?.certificates ?? []) assertPath('tls.certificates', path)
  assertNumbers(settings)
  for (const name of ['user', 'group'] as const) assertName(name, settings[name])
  assertListen(settings)
}

/** Refuses a location that HAProxy could not use. Pure. @throws HaproxyError `HAPROXY_SETTINGS_INVALID` naming the setting. */
export function assertLocation(location: ProxyLocation): void {
  assertPath('folder', location.folder)
  assertPath('runFolder', location.runFolder)
  assertName('service', location.service)
  assertSocketPath(proxyFiles(location).socket)
}

function assertPath(name: string, path: string): void {
  if (path.startsWith('/') && path !== '/' && normalize(path) === path && !path.endsWith('/') && !/[\0\r\n]/.test(path))
    return
  throw refused(name, path, 'it is an absolute, normalized path without a trailing slash')
}

function assertNumbers(settings: ProxySettings): void {
  for (const name of ['firstPort', 'portsPerSlot', 'slots', 'connectionsPerTenant'] as const) {
    const value = settings[name]
    if (!Number.isSafeInteger(value) || value < 1) throw refused(name, String(value), 'it is a whole number above 0')
  }
  const end = settings.firstPort + settings.slots * settings.portsPerSlot
  if (end > 65_536) throw refused('slots', String(settings.slots), `the last port would be ${end - 1}`)
}

function assertName(name: string, value: string | undefined): void {
  if (value === undefined || /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(value)) return
  throw refused(name, value, 'it is letters, digits, dots, hyphens and underscores')
}

function assertListen(settings: ProxySettings): void {
  if (settings.listen.length === 0 && settings.tls === undefined) {
    throw refused('listen', '', 'no address to listen on is given')
  }
  for (const address of [...settings.listen, ...(settings.tls?.listen ?? [])]) {
    if (parseListen(address) === undefined) throw refused('listen', address, 'it is :80, 127.0.0.1:80 or [::1]:80')
  }
}

function assertSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= maxSocketPath) return
  const detail = `${path} has ${bytes} bytes and HAProxy takes at most ${maxSocketPath}; choose a shorter folder`
  throw refused('runFolder', path, detail)
}

function refused(name: string, value: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_SETTINGS_INVALID', { operation: `use the setting ${name}`, value, detail })
}
