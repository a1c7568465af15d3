import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { createHash } from 'node:crypto'
import { defaultLayout, assertLayout, slotCount, type SlotLayout } from '@puppy/accounts/slots'
import { findClash, parseListen } from '@puppy/haproxy/listen'
import { StartError } from '@puppy/state/errors'
import { isolationLayers } from '@puppy/state/facilities'

const slug = '^[a-z][a-z0-9-]{0,62}$'
const address = '^(\\[[0-9a-fA-F:.]+\\]|[0-9.]*|localhost):[0-9]{1,5}$'

interface Setting {
  readonly pattern: RegExp
  readonly meaning: string
  readonly example: string
}
function text(pattern: string, meaning: string, example: string): Setting {
  return { pattern: new RegExp(pattern), meaning, example }
}

/** Every environment variable of Puppy: its pattern, its meaning and an example. The texts complete "expected …, for example …". */
const settings = {
  PUPPY_LISTEN: text(address, 'the address and port on which the API listens', '127.0.0.1:8420'),
  PUPPY_STATE_DIR: text(
    '^/',
    'the absolute path of the folder for database, locks and generated files',
    '/var/lib/puppy',
  ),
  PUPPY_RUN_DIR: text('^/', 'the short, absolute path of the folder for sockets and pid files', '/run/puppy'),
  DATABASE_URL: text(
    '^postgres(ql)?://',
    'the URL of an external PostgreSQL, with the role that owns the database',
    'postgres://puppy@db/puppy',
  ),
  API_DATABASE_URL: text(
    '^postgres(ql)?://',
    'the URL of the same PostgreSQL, with the role of the API',
    'postgres://puppy_api@db/puppy',
  ),
  AGENT_DATABASE_URL: text(
    '^postgres(ql)?://',
    'the URL of the same PostgreSQL, with the role of the agent',
    'postgres://puppy_agent@db/puppy',
  ),
  PUPPY_HOST: text(
    slug,
    'the name of the host that this agent manages, in lower-case letters, digits and hyphens',
    'h1',
  ),
  PUPPY_POOL: text('^[0-9]{1,4}$', 'the number of slots to keep free', '10'),
  PUPPY_REQUIRE: text(
    `^(${isolationLayers.join('|')})(,(${isolationLayers.join('|')}))*$`,
    `the facilities that an account needs to be ready, separated by commas, from ${isolationLayers.join(', ')}`,
    'selinux,quota',
  ),
  PUPPY_ACCOUNTS_PER_RESELLER: text('^[0-9]{1,7}$', 'the number of accounts that a reseller can have', '1000'),
  PUPPY_DOMAINS_PER_RESELLER: text('^[0-9]{1,7}$', 'the number of domains that a reseller can have', '10000'),
  PUPPY_AUDIT_DAYS: text(
    '^([7-9]|[1-9][0-9]{1,4})$',
    'the number of days for which the audit is kept, at least 7',
    '365',
  ),
  PUPPY_ADMIN_KEY: text(
    '^puppy_[a-z0-9]{4,32}_[a-z0-9]{32,128}$',
    'the first admin key',
    `puppy_admin_${'0'.repeat(48)}`,
  ),
  PUPPY_DRY_RUN: text('^[01]$', '1 to plan without applying, or 0', '1'),
  PUPPY_ROOT: text('^/', 'the absolute path of a folder that stands for the root of the machine', '/'),
  PUPPY_PROXY_LISTEN: text(
    `${address.slice(0, -1)}(,${address.slice(1, -1)})*$`,
    'the addresses on which HAProxy listens for HTTP, separated by commas',
    ':80',
  ),
  PUPPY_PROXY_TLS_LISTEN: text(
    `${address.slice(0, -1)}(,${address.slice(1, -1)})*$`,
    'the addresses on which HAProxy listens for HTTPS, separated by commas',
    ':443',
  ),
  PUPPY_CERTIFICATES: text(
    '^/',
    'the absolute path of a folder of PEM files, each with certificate and key; turns on HTTPS',
    '/etc/puppy/certificates',
  ),
  PUPPY_PROXY_ADDRESS_CONNECTIONS: text(
    '^(1000000|[1-9][0-9]{0,5})$',
    'the number of connections that one address may have to HAProxy, from 1 to 1000000',
    '1000',
  ),
  PUPPY_PROXY_ADDRESS_REQUESTS: text(
    '^(1000000|[1-9][0-9]{0,5})$',
    'the number of requests of one address that HAProxy serves at a time, from 1 to 1000000',
    '150',
  ),
  PUPPY_PROXY_BODY_RATE: text(
    '^(1000000|0|[1-9][0-9]{0,5})$',
    'the lowest rate of the body of a request, in bytes per second, from 0 to 1000000',
    '500',
  ),
  PUPPY_FIRST_UID: text('^[0-9]{4,9}$', 'the uid of slot 0', '10000'),
  PUPPY_FIRST_PORT: text('^[0-9]{4,5}$', 'the first port of slot 0', '10240'),
  PUPPY_NO_INSTALL: text('^[01]$', '1 to never install Debian packages, or 0', '1'),
  PUPPY_LOG_LEVEL: text('^(error|warn|info|debug)$', 'the log level, one of error, warn, info and debug', 'info'),
} as const satisfies Readonly<Record<string, Setting>>
type Environment = { readonly [name in keyof typeof settings]?: string }

/** The database URL of each role. All are undefined with the embedded PostgreSQL. Each process gets only its own URL. */
interface DatabaseUrls {
  readonly owner: string | undefined
  readonly api: string | undefined
  readonly agent: string | undefined
}

/** All settings, read once. No other file reads the environment. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number }
  /** How many sockets another process handed over to this one, from descriptor 3 on. @see sd_listen_fds(3) */
  readonly sockets: number
  readonly stateDir: string
  readonly runDir: string
  readonly urls: DatabaseUrls
  readonly host: string
  readonly pool: number
  readonly require: readonly string[]
  /** How much a reseller other than root can have. */
  readonly most: { readonly accounts: number; readonly domains: number }
  readonly auditDays: number
  readonly adminKey: string | undefined
  readonly dryRun: boolean
  readonly root: string
  readonly live: boolean
  readonly layout: SlotLayout
  readonly proxy: {
    readonly listen: readonly string[]
    readonly tlsListen: readonly string[]
    readonly certificates: string | undefined
    readonly connectionsPerAddress: number
    readonly requestsPerAddress: number
    readonly bodyRate: number
  }
  readonly install: boolean
  readonly logLevel: string
  /** Whether the process runs as root. Without root nothing is applied. */
  readonly privileged: boolean
}

/** What the defaults depend on. */
export interface Surroundings {
  readonly uid: number
  readonly hostname: string
  readonly cwd: string
  readonly pid?: number
}

/**
 * Reads the settings from the environment.
 *
 * @throws StartError with one line that contains the first invalid variable, its value and an example.
 */
export function readConfig(env: NodeJS.ProcessEnv, surroundings: Surroundings = currentSurroundings()): Config {
  const given = readEnvironment(env)
  const privileged = surroundings.uid === 0
  const root = resolve(given.PUPPY_ROOT ?? '/')
  const live = root === '/'
  const stateDir = resolve(given.PUPPY_STATE_DIR ?? defaultStateDir(root, privileged, surroundings.cwd))
  const dryRun = given.PUPPY_DRY_RUN === undefined ? !privileged : given.PUPPY_DRY_RUN === '1'
  if (!dryRun && !privileged)
    throw new StartError(
      'PUPPY_DRY_RUN=0 needs root, because only root can create users; start as root, or unset PUPPY_DRY_RUN to plan only',
    )
  const proxyListen = splitAddresses('PUPPY_PROXY_LISTEN', given.PUPPY_PROXY_LISTEN ?? ':80')
  const tlsListen = splitAddresses('PUPPY_PROXY_TLS_LISTEN', given.PUPPY_PROXY_TLS_LISTEN ?? ':443')
  assertNoClash({
    PUPPY_LISTEN: [given.PUPPY_LISTEN ?? '127.0.0.1:8420'],
    PUPPY_PROXY_LISTEN: proxyListen,
    PUPPY_PROXY_TLS_LISTEN: given.PUPPY_CERTIFICATES === undefined ? [] : tlsListen,
  })
  return Object.freeze({
    listen: parseAddress('PUPPY_LISTEN', given.PUPPY_LISTEN ?? '127.0.0.1:8420'),
    sockets: readSockets(env, surroundings),
    stateDir,
    runDir: given.PUPPY_RUN_DIR ?? defaultRunDir(stateDir, privileged, live),
    urls: { owner: given.DATABASE_URL, api: given.API_DATABASE_URL, agent: given.AGENT_DATABASE_URL },
    host: given.PUPPY_HOST ?? slugOf(surroundings.hostname),
    pool: Number(given.PUPPY_POOL ?? 10),
    require: given.PUPPY_REQUIRE?.split(',') ?? [],
    most: {
      accounts: Number(given.PUPPY_ACCOUNTS_PER_RESELLER ?? 1000),
      domains: Number(given.PUPPY_DOMAINS_PER_RESELLER ?? 10_000),
    },
    auditDays: Number(given.PUPPY_AUDIT_DAYS ?? 365),
    adminKey: given.PUPPY_ADMIN_KEY,
    dryRun,
    root,
    live,
    layout: readLayout(given, Number(given.PUPPY_POOL ?? 10)),
    proxy: {
      listen: proxyListen,
      tlsListen,
      certificates: given.PUPPY_CERTIFICATES,
      connectionsPerAddress: Number(given.PUPPY_PROXY_ADDRESS_CONNECTIONS ?? 1000),
      requestsPerAddress: Number(given.PUPPY_PROXY_ADDRESS_REQUESTS ?? 150),
      bodyRate: Number(given.PUPPY_PROXY_BODY_RATE ?? 500),
    },
    install: given.PUPPY_NO_INSTALL !== '1',
    logLevel: given.PUPPY_LOG_LEVEL ?? 'info',
    privileged,
  })
}

function currentSurroundings(): Surroundings {
  return { uid: process.getuid?.() ?? -1, hostname: hostname(), cwd: process.cwd(), pid: process.pid }
}

/**
 * Returns how many sockets were handed over. `LISTEN_PID` names the process that they are for. `puppy up` does not set it, because it does
 * not know the pid before the process exists.
 *
 * @see sd_listen_fds(3)
 */
function readSockets({ LISTEN_FDS, LISTEN_PID }: NodeJS.ProcessEnv, { pid }: Surroundings): number {
  if (LISTEN_FDS === undefined || (LISTEN_PID !== undefined && Number(LISTEN_PID) !== pid)) return 0
  if (/^([1-9]|1[0-6])$/.test(LISTEN_FDS)) return Number(LISTEN_FDS)
  throw new StartError(
    `LISTEN_FDS=${JSON.stringify(LISTEN_FDS)} is invalid: expected the number of sockets that were handed over, from 1 to 16`,
  )
}

function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const known = Object.keys(settings)
  const stranger = Object.keys(env).find((name) => name.startsWith('PUPPY_') && !known.includes(name))
  if (stranger !== undefined)
    throw new StartError(`${stranger} is not a setting of Puppy; the settings are ${known.join(', ')}`)
  const given = Object.entries(settings).flatMap(([name, { pattern, meaning, example }]): [string, string][] => {
    const value = env[name]
    if (value === undefined || value === '') return []
    if (pattern.test(value)) return [[name, value]]
    const shown =
      name.endsWith('URL') || name.endsWith('KEY')
        ? '(not shown, because it may contain a secret)'
        : JSON.stringify(value)
    throw new StartError(`${name}=${shown} is invalid: expected ${meaning}, for example ${example}`)
  })
  return Object.fromEntries(given)
}

function defaultStateDir(root: string, privileged: boolean, cwd: string): string {
  return privileged || root !== '/' ? join(root, 'var/lib/puppy') : join(cwd, 'var')
}

/** Returns a short folder, because paths of sockets are limited: HAProxy 2.6 accepts 97 characters and appends to them, the kernel 107. */
function defaultRunDir(stateDir: string, privileged: boolean, live: boolean): string {
  if (privileged && live && stateDir === '/var/lib/puppy') return '/run/puppy'
  const beside = join(stateDir, 'run')
  if (beside.length <= 70) return beside
  // Not /tmp for root: another user could create the folder there first and own Puppy's pid files and sockets.
  const parent = privileged ? '/run' : '/tmp'
  return `${parent}/puppy-${createHash('sha256').update(stateDir).digest('hex').slice(0, 12)}`
}

function readLayout(given: Environment, pool: number): SlotLayout {
  const layout = {
    ...defaultLayout,
    ...(given.PUPPY_FIRST_UID === undefined ? {} : { firstUid: Number(given.PUPPY_FIRST_UID) }),
    ...(given.PUPPY_FIRST_PORT === undefined ? {} : { firstPort: Number(given.PUPPY_FIRST_PORT) }),
  }
  try {
    assertLayout(layout)
  } catch (error) {
    throw new StartError(
      `PUPPY_FIRST_UID and PUPPY_FIRST_PORT are invalid: ${error instanceof Error ? error.message : ''}`,
    )
  }
  if (pool > slotCount(layout))
    throw new StartError(
      `PUPPY_POOL=${pool} is more than the ${slotCount(layout)} slots that this host has ports for; set a smaller number`,
    )
  return layout
}

function splitAddresses(name: string, value: string): readonly string[] {
  const list = value.split(',')
  for (const one of list)
    if (parseListen(one) === undefined)
      throw new StartError(
        `${name}=${JSON.stringify(one)} is invalid: expected an address like :80, 127.0.0.1:80 or [::1]:80, with a port from 1 to 65535`,
      )
  return list
}

/** Throws when two of these addresses cannot be open at the same time. */
function assertNoClash(addresses: Readonly<Record<string, readonly string[]>>): void {
  const clash = findClash(Object.values(addresses).flat())
  if (clash === undefined) return
  const names = Object.keys(addresses)
  const has = (text: string) => (name: string) => addresses[name]?.includes(text) === true
  const [one, other] = clash
  const shown = [
    `${names.find(has(one))} has ${JSON.stringify(one)}`,
    `${names.findLast(has(other))} has ${JSON.stringify(other)}`,
  ]
  throw new StartError(`${shown.join(', and ')}: one machine cannot listen on both; remove or change one of them`)
}

function parseAddress(name: string, value: string): { host: string; port: number } {
  const cut = value.lastIndexOf(':')
  const port = Number(value.slice(cut + 1))
  if (port < 1 || port > 65535)
    throw new StartError(`${name}=${JSON.stringify(value)} is invalid: a port is a number from 1 to 65535`)
  const host = value.slice(0, cut).replaceAll(/[[\]]/g, '')
  return { host: host === '' ? '::' : host, port }
}

/** Returns the first label of a host name as a slug: `Web-1.example.com` becomes `web-1`. */
export function slugOf(name: string): string {
  const slug = name
    .toLowerCase()
    .split('.')[0]
    ?.replaceAll(/[^a-z0-9-]/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 63)
  return slug === undefined || slug === '' ? 'host' : slug
}
