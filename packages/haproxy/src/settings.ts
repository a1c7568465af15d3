import { normalize } from 'node:path'
import { HaproxyError } from './errors.ts'
import { findClash, parseListen } from './listen.ts'

/** Where the files of one HAProxy instance are, and how it is started. */
export interface ProxyLocation {
  /** Absolute path of the folder for `haproxy.cfg`, the maps, the crt-list and the last good copy. Created with mode 0700. */
  readonly folder: string
  /**
   * Absolute path of a separate folder for `haproxy.sock`, `haproxy.pid` and `peers/`. Must be short; see `maxSocketPath`.
   * Created with mode 0711.
   */
  readonly runFolder: string
  /** Name of the systemd unit that runs HAProxy on a live host with systemd. Absent: HAProxy never runs as a unit. */
  readonly service?: string
}

/** The ports of tenants. The slot of a port is `(port - firstPort) / portsPerSlot`. */
export interface PortRange {
  /** The first port that belongs to a tenant. */
  readonly firstPort: number
  readonly portsPerSlot: number
  /** The largest number of tenants. */
  readonly slots: number
}

/** The spec of the configuration. It contains no tenants: they are rows of the maps. */
export interface ConfigSpec extends PortRange {
  /** The addresses for HTTP: `:80` (every address, IPv4 and IPv6), `127.0.0.1:8080`, `[::1]:8080`. */
  readonly listen: readonly string[]
  /** The addresses and the certificates for TLS. */
  readonly tls?: {
    readonly listen: readonly string[]
    /**
     * PEM files (certificate, chain and key in one file), and folders. Every `*.pem` file of a folder is served. A path that ends in `.pem`
     * is a file.
     */
    readonly certificates: readonly string[]
  }
  /** How many requests of one tenant are served at a time. More are answered 503 at once. */
  readonly connectionsPerTenant: number
  /**
   * How many connections one address may have at a time: an IPv4 address, or a /64 of IPv6. HAProxy closes more at once. Default 1000.
   */
  readonly connectionsPerAddress?: number
  /**
   * How many requests of one address are served at a time, for all tenants together. More are answered 429 at once. Default: three quarters
   * of `connectionsPerTenant`, at least 1, so that one address cannot take all of a tenant.
   */
  readonly requestsPerAddress?: number
  /** The lowest rate of the body of a request, in bytes per second. A slower one is answered 400. 0 allows every rate. Default 500. */
  readonly bodyRate?: number
  /** How many seconds a body may lag behind `bodyRate`. Default 20. */
  readonly bodyGrace?: number
  /** The user and the group that HAProxy changes to after it has bound its addresses. Absent: those of the caller. */
  readonly user?: string
  readonly group?: string
}

/** A location and the spec of its configuration. */
export interface ProxySettings extends ProxyLocation, ConfigSpec {}

/** The limits of one visitor, with the bounds of each setting. */
export const visitorBounds = {
  connectionsPerAddress: { min: 1, max: 1_000_000 },
  requestsPerAddress: { min: 1, max: 1_000_000 },
  bodyRate: { min: 0, max: 1_000_000 },
  bodyGrace: { min: 1, max: 3600 },
} as const

/** Returns the limits of one visitor, with their defaults. Pure. */
export function visitorLimits(spec: ConfigSpec): Record<keyof typeof visitorBounds, number> {
  const { connectionsPerTenant, connectionsPerAddress = 1000, bodyRate = 500, bodyGrace = 20 } = spec
  const { requestsPerAddress = Math.max(1, Math.floor(connectionsPerTenant * 0.75)) } = spec
  return { connectionsPerAddress, requestsPerAddress, bodyRate, bodyGrace }
}

/** The longest path of a unix socket that HAProxy 2.6 accepts, in bytes. */
export const maxSocketPath = 97

/** The absolute paths of the files of one proxy. */
export interface ProxyFiles {
  readonly config: string
  /** The file beside the configuration on which the lock takes flock(2). */
  readonly lock: string
  readonly hosts: string
  readonly suspended: string
  readonly crtList: string
  /** The Lua script that judges the bodies of requests. */
  readonly script: string
  readonly goodConfig: string
  readonly goodCrtList: string
  readonly goodScript: string
  readonly staged: string
  readonly socket: string
  /** The folder that only HAProxy's own group may enter, and the socket in it. */
  readonly peersFolder: string
  readonly peers: string
  readonly pid: string
}

/** Returns the paths of the files of a proxy. Pure. */
export function proxyFiles({ folder, runFolder }: Pick<ProxyLocation, 'folder' | 'runFolder'>): ProxyFiles {
  return {
    config: `${folder}/haproxy.cfg`,
    lock: `${folder}/haproxy.cfg.flock`,
    hosts: `${folder}/hosts.map`,
    suspended: `${folder}/suspended.map`,
    crtList: `${folder}/certificates.crt-list`,
    script: `${folder}/request-body.lua`,
    goodConfig: `${folder}/haproxy.cfg.good`,
    goodCrtList: `${folder}/certificates.crt-list.good`,
    goodScript: `${folder}/request-body.lua.good`,
    staged: `${folder}/staged`,
    socket: `${runFolder}/haproxy.sock`,
    peersFolder: `${runFolder}/peers`,
    peers: `${runFolder}/peers/sock`,
    pid: `${runFolder}/haproxy.pid`,
  }
}

/**
 * Throws when HAProxy could not be started with these settings. Pure.
 *
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`, which names the setting.
 */
export function assertSettings(settings: ProxySettings): void {
  assertLocation(settings)
  for (const path of settings.tls?.certificates ?? []) assertPath('tls.certificates', path)
  assertNumbers(settings)
  for (const name of ['user', 'group'] as const) assertName(name, settings[name])
  assertListen(settings)
}

/** Throws when HAProxy could not use this location. Pure. @throws HaproxyError `HAPROXY_SETTINGS_INVALID`, which names the setting. */
export function assertLocation(location: ProxyLocation): void {
  assertPath('folder', location.folder)
  assertPath('runFolder', location.runFolder)
  assertName('service', location.service)
  assertSocketPath(proxyFiles(location).socket)
}

function assertPath(name: string, path: string): void {
  if (path.startsWith('/') && path !== '/' && normalize(path) === path && !path.endsWith('/') && !/[\0\r\n]/.test(path))
    return
  throw refused(name, path, 'it must be an absolute, normalized path without a trailing slash')
}

function assertNumbers(settings: ProxySettings): void {
  for (const name of ['firstPort', 'portsPerSlot', 'slots', 'connectionsPerTenant'] as const) {
    const value = settings[name]
    if (!Number.isSafeInteger(value) || value < 1)
      throw refused(name, String(value), 'it must be a whole number above 0')
  }
  for (const [name, value] of Object.entries(visitorLimits(settings))) assertBounds(name, value)
  const end = settings.firstPort + settings.slots * settings.portsPerSlot
  if (end > 65_536) throw refused('slots', String(settings.slots), `the last port would be ${end - 1}, above 65535`)
}

function assertBounds(name: string, value: number): void {
  const { min, max } = visitorBounds[name as keyof typeof visitorBounds]
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw refused(name, String(value), `it must be a whole number from ${min} to ${max}`)
}

function assertName(name: string, value: string | undefined): void {
  if (value === undefined || /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(value)) return
  throw refused(name, value, 'it must consist of letters, digits, dots, hyphens and underscores')
}

function assertListen(settings: ProxySettings): void {
  if (settings.listen.length === 0 && settings.tls === undefined) {
    throw refused('listen', '', 'it is empty; set listen or tls')
  }
  const addresses = [...settings.listen, ...(settings.tls?.listen ?? [])]
  for (const address of addresses) {
    if (parseListen(address) === undefined)
      throw refused('listen', address, 'it must look like :80, 127.0.0.1:80 or [::1]:80')
  }
  const [one, other] = findClash(addresses) ?? []
  if (one !== undefined && other !== undefined)
    throw refused('listen', other, `HAProxy cannot listen there and on ${one}; remove one of them`)
}

function assertSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= maxSocketPath) return
  const detail = `the path of the socket has ${bytes} bytes and HAProxy accepts at most ${maxSocketPath}; choose a shorter folder`
  throw refused('runFolder', path, detail)
}

function refused(name: string, value: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_SETTINGS_INVALID', { operation: `use the setting ${name}`, value, detail })
}
