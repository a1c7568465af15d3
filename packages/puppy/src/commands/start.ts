import { lookup } from 'node:dns/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost, HostError, type Host } from '@puppy/host'
import { processesOf, readProcesses, readProcessFile } from '@puppy/host/proc'
import { identifyProcess } from '@puppy/host/process'
import type { Config } from '../config.ts'
import { startEmbedded, type EmbeddedOptions } from '@puppy/state/embedded'
import { confine, grant, migrate, openDatabase, type Database, StartError } from '@puppy/state'
import { databaseUrls, placesOf } from '../places.ts'
import { endFirmly } from '../processes.ts'
import { findHost } from '@puppy/state/store/hosts'
import { generateKey, insertKey, isKey, revokeOthers } from '@puppy/state/store/keys'
import { ensurePackages } from '../system-packages.ts'
import { ensureSystemUsers, type SystemUsers } from '../system-users.ts'
import { prepareApi } from '../api-process.ts'
import { listenError, portPatience } from '../listen-error.ts'
import { nodeCommand } from '../node-command.ts'
import { childEnvironment } from './environment.ts'
import { untilToldToEnd } from './signals.ts'
import type { Answer, Report } from './stages.ts'
import { say, warn } from '../say.ts'

/**
 * Runs `puppy start`: everything that `puppy up` does once. This is a separate process, so that `up` does not keep modules in memory that
 * only the start needs. `up` holds the lock, starts the processes when this process reports that stage, and supervises them.
 */
export async function start(config: Config): Promise<void> {
  const supervisor = openSupervisor()
  try {
    await startAll(config, supervisor)
  } finally {
    supervisor.close()
  }
}

async function startAll(config: Config, supervisor: Supervisor): Promise<void> {
  const machine = createHost()
  if (config.privileged && config.live && !config.dryRun)
    await ensurePackages(machine, { install: config.install, say })
  const isEmbedded = usesEmbedded(config)
  await makeFolders(machine, config)
  const places = placesOf(config)
  const logs = [
    join(places.logs, 'api.log'),
    join(places.logs, 'agent.log'),
    join(config.stateDir, 'postgres/server.log'),
  ]
  await supervisor.ask({
    stage: 'prepared',
    stateDir: config.stateDir,
    lock: places.upLock,
    pidFile: places.up.path,
    logs,
    isEmbedded,
  })
  if (supervisor.ending.aborted) return
  const users = await ensureSystemUsers(machine, config)
  const preparingApi = prepareApi(machine, config, users?.api)
  preparingApi.catch(() => {})
  if (isEmbedded) await startEmbedded(embeddedOptions(config, users))
  await prepareDatabase(config)
  const began = await databaseTime(config)
  const keyFile = await ensureAdminKey(machine, config)
  for (const name of ['api', 'agent'] as const) await endOld(machine, config, name)
  if (supervisor.ending.aborted) return
  const addresses = await addressesOf(machine, config)
  const { command, env, remark } = await preparingApi
  const received = { LISTEN_FDS: String(addresses.length) }
  const programs = {
    api: { command, env: { ...env, ...received } },
    agent: { command: nodeCommand('agent'), env: childEnvironment(config, 'agent') },
  }
  const processes = (['api', 'agent'] as const).map((name) => ({
    name,
    ...programs[name],
    log: join(places.logs, `${name}.log`),
    pidFile: places[name].path,
  }))
  await startProcesses(machine, config, supervisor, {
    stage: 'processes',
    processes,
    addresses,
    port: config.listen.port,
  })
  await untilReady(config, supervisor.ending)
  const remarks = [...(remark === undefined ? [] : [remark]), ...(await untilLooked(config, began, supervisor.ending))]
  if (supervisor.ending.aborted) return
  announce(config, keyFile)
  for (const remark of remarks) warn(remark)
  // The agent has compared the layout with the one in the database, so the slots here have this layout.
  await machine.replace(places.slots, `${JSON.stringify(config.layout)}\n`, { mode: 0o644 })
}

/** Returns the IP addresses of PUPPY_LISTEN. `localhost` often has two. @throws StartError for a name without an address */
async function addressesOf(machine: Host, { listen }: Config): Promise<readonly string[]> {
  try {
    return (await lookup(listen.host, { all: true })).map(({ address }) => address)
  } catch (error) {
    throw await listenError(machine, listen, error)
  }
}

/** Asks `up` to start the processes. If another program has the port of the API, tries again for a while: it may be an API that is ending. */
async function startProcesses(machine: Host, config: Config, supervisor: Supervisor, report: Report): Promise<void> {
  for (const until = performance.now() + portPatience; !supervisor.ending.aborted; await sleep(250)) {
    const answer = await supervisor.ask(report)
    if (typeof answer === 'string') return
    const error = Object.assign(new Error(answer.errno), { code: answer.errno })
    if (answer.errno !== 'EADDRINUSE' || performance.now() > until)
      throw await listenError(machine, config.listen, error)
    await endUnrecorded(machine, config)
  }
}

/** Starts the embedded database again when it has ended. `puppy up` runs it. */
export async function startDatabase(config: Config): Promise<void> {
  await startEmbedded(embeddedOptions(config, await ensureSystemUsers(createHost(), config)))
}

type Supervisor = ReturnType<typeof openSupervisor>

/** Opens the channel to `puppy up`, which started this process. When it closes, no process holds the lock, so this process ends at once. */
function openSupervisor() {
  if (process.send === undefined)
    throw new StartError('"start" is a part of "up" and cannot run alone; run "npm start"')
  const ending = new AbortController()
  const lost = () => process.exit(1)
  let settle: (answer: Answer) => void = () => {}
  process.once('disconnect', lost)
  process.on('message', (answer: Answer) => {
    if (answer === 'end') ending.abort()
    settle(answer)
  })
  void untilToldToEnd().then(() => ending.abort())
  return {
    ending: ending.signal,
    /** Reports the stage of this process, and waits until `up` has done its part. */
    ask: async (report: Report): Promise<Answer> => {
      const answered = new Promise<Answer>((resolve) => (settle = resolve))
      process.send?.(report)
      return answered
    },
    close: () => {
      process.removeListener('disconnect', lost)
      process.disconnect?.()
    },
  }
}

function usesEmbedded(config: Config): boolean {
  const { owner, api, agent } = config.urls
  const given = [owner, api, agent].filter((url) => url !== undefined).length
  if (given === 0 || given === 3) return given === 0
  throw new StartError(
    'An external PostgreSQL needs all of DATABASE_URL, API_DATABASE_URL and AGENT_DATABASE_URL; set the three, or none of them',
  )
}

/** Creates the state and run folders. The users of the API and the database must be able to enter every folder above the state folder. */
async function makeFolders(machine: Host, config: Config): Promise<void> {
  try {
    const mode = config.privileged ? 0o711 : 0o700
    for (const folder of [config.stateDir, config.runDir]) {
      // An existing folder keeps its mode, if this user owns it and no other user can write to it.
      const status = await machine.status(folder)
      if (status?.kind !== 'folder') await machine.makeFolder(folder, { mode })
      else if (status.uid !== process.getuid?.() || (status.mode & 0o022) !== 0) {
        const setting = folder === config.stateDir ? 'PUPPY_STATE_DIR' : 'PUPPY_RUN_DIR'
        throw new StartError(
          `Cannot use the folder ${folder}: another user owns it or can write to it; set ${setting} to another folder`,
        )
      }
    }
    await machine.makeFolder(placesOf(config).logs, { mode: 0o700 })
  } catch (error) {
    if (error instanceof StartError) throw error
    const why = error instanceof HostError ? error.message : String(error)
    throw new StartError(
      `Cannot use the state folder ${config.stateDir}: ${why}; make it writable or set PUPPY_STATE_DIR`,
    )
  }
  if (config.privileged) await assertTraversable(machine, config.stateDir)
}

async function assertTraversable(machine: Host, folder: string): Promise<void> {
  const parts = folder.split('/').slice(1)
  for (const [index] of parts.entries()) {
    const path = `/${parts.slice(0, index + 1).join('/')}`
    const status = await machine.status(path)
    if (status?.kind === 'folder' && (status.mode & 0o001) === 0) {
      const why = `the database does not run as root and cannot enter ${path}`
      const remedy = `run "chmod o+x ${path}" or set PUPPY_STATE_DIR`
      throw new StartError(`Cannot use the state folder ${folder}: ${why}; ${remedy}`)
    }
  }
}

function embeddedOptions(config: Config, users: SystemUsers | undefined): EmbeddedOptions {
  const { stateDir, runDir } = config
  // Peer authentication uses the name of the uid in the user database, not the name in the environment.
  const self = users === undefined ? userInfo().username : 'root'
  const server = users === undefined ? {} : { server: users.postgres, clients: users.api.gid }
  return { stateDir, runDir, ...server, peers: { owner: self, agent: self, api: users?.api.name ?? self } }
}

async function prepareDatabase(config: Config): Promise<void> {
  const urls = databaseUrls(config)
  const owner = openDatabase({ url: urls.owner, name: 'puppy up', connections: 2 })
  try {
    const applied = await migrate(owner)
    if (applied.length > 0) say(`Applied database migrations: ${applied.join(', ')}`)
    const roles = usesEmbedded(config)
      ? { api: 'puppy_api', agent: 'puppy_agent' }
      : { api: await roleOf(urls.api), agent: await roleOf(urls.agent) }
    if (roles.api === roles.agent)
      warn(
        'Warning: the API and the agent use the same database role; use two roles, so that the API cannot create slots',
      )
    await grant(owner, roles)
    // The owner of an external database is rarely a superuser. docs/operating.md lists what to set there.
    if (usesEmbedded(config)) await confine(owner, roles)
  } finally {
    await owner.end()
  }
}

async function roleOf(url: string): Promise<string> {
  const database = openDatabase({ url, name: 'puppy up', connections: 1 })
  try {
    return (await database.query<{ name: string }>('select current_user as name'))[0]?.name ?? ''
  } finally {
    await database.end()
  }
}

/** Inserts the first admin key into the database. Returns the file with the key, or undefined when the key comes from PUPPY_ADMIN_KEY. */
async function ensureAdminKey(machine: Host, config: Config): Promise<string | undefined> {
  const { adminKey } = placesOf(config)
  const kept = (await machine.read(adminKey))?.trim()
  const key = config.adminKey ?? kept ?? generateKey()
  if (!isKey(key))
    throw new StartError(`The file ${adminKey} contains no valid key; delete it, and the next start creates a new key`)
  if (config.adminKey === undefined) await machine.replace(adminKey, `${key}\n`, { mode: 0o600 })
  // There is one first key at a time: a new one revokes the old one.
  const label = 'the first admin key'
  await withOwner(config, (owner) =>
    owner.transaction(async (tx) => {
      await insertKey(tx, key, { reseller: 'root', scopes: ['admin'], label })
      await revokeOthers(tx, key, label)
    }),
  )
  return config.adminKey === undefined ? adminKey : undefined
}

/** Ends an API or agent that a killed `up` left behind. It may be of another version. It holds no state. */
async function endOld(machine: Host, config: Config, name: 'api' | 'agent'): Promise<void> {
  const old = await placesOf(config)[name].read()
  if (old !== undefined) await endFirmly(machine, old, 10_000)
}

/** Ends APIs of these settings whose pid was not recorded, because `up` was killed right after it had started them. */
async function endUnrecorded(machine: Host, config: Config): Promise<void> {
  const users = await ensureSystemUsers(machine, config)
  const uids = new Set([process.getuid?.() ?? 0, ...(users === undefined ? [] : [users.api.uid])])
  for (const { pid } of processesOf(await readProcesses(machine), uids)) {
    const found = await identifyProcess(machine, pid).catch(() => undefined)
    if (found === undefined || found.command.slice(-2).join(' ') !== nodeCommand('api').slice(-2).join(' ')) continue
    const environment = await readProcessFile(machine, pid, 'environ').catch(() => undefined)
    if (environment?.split('\0').includes(`PUPPY_RUN_DIR=${config.runDir}`) === true)
      await endFirmly(machine, found, 10_000)
  }
}

function baseUrl({ listen }: Config): string {
  const host = listen.host === '::' || listen.host === '0.0.0.0' ? '127.0.0.1' : listen.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`
}

/** Waits until the API is ready, at most 5 minutes. If a process cannot start at all, `up` ends, and ends this process. */
async function untilReady(config: Config, signal: AbortSignal): Promise<void> {
  for (const until = Date.now() + 300_000; !signal.aborted;) {
    const isReady = await fetch(`${baseUrl(config)}/readyz`, { signal: AbortSignal.timeout(5000) }).then(
      ({ ok }) => ok,
      () => false,
    )
    if (isReady) return
    if (Date.now() > until)
      throw new StartError(`Puppy is not ready after 5 minutes; see the logs in ${placesOf(config).logs}`)
    await sleep(25)
  }
}

function announce(config: Config, keyFile: string | undefined): void {
  const url = baseUrl(config)
  const { listen, tlsListen, certificates } = config.proxy
  const addresses = [...listen, ...(certificates === undefined ? [] : tlsListen)]
  const mode = config.dryRun
    ? 'Dry run: Puppy plans changes and applies none. To apply them, start it as root without PUPPY_DRY_RUN=1.'
    : `Tenants are served on ${addresses.join(', ')}.`
  say(`Puppy is ready on ${url}
  docs       ${url}/docs
  admin key  ${keyFile ?? 'the one in PUPPY_ADMIN_KEY'}
  logs       ${placesOf(config).logs}
${mode}
Ctrl-C stops the API, the agent and the database. HAProxy keeps serving until "npm run puppy -- down".`)
}

async function databaseTime(config: Config): Promise<Date> {
  return withOwner(config, async (owner) => (await owner.query<{ now: Date }>('select now()'))[0]?.now ?? new Date(0))
}

/**
 * Waits until the agent has completed its first pass, at most 20 s. Then HAProxy runs, if it can. Returns what is wrong or degraded on this
 * host, one line for each condition.
 */
async function untilLooked(config: Config, since: Date, signal: AbortSignal): Promise<readonly string[]> {
  return withOwner(config, async (owner) => {
    for (const until = Date.now() + 20_000; !signal.aborted && Date.now() < until; await sleep(50)) {
      const host = await findHost(owner, config.host).catch(() => undefined)
      if (host?.lookedAt == null || host.lookedAt < since) continue
      return host.conditions.flatMap(({ type, message }) => (message === undefined ? [] : [`${type}: ${message}`]))
    }
    return signal.aborted
      ? []
      : [`The agent has not checked everything within 20 s; see its log in ${placesOf(config).logs}`]
  })
}

async function withOwner<Value>(config: Config, work: (owner: Database) => Promise<Value>): Promise<Value> {
  const owner = openDatabase({ url: databaseUrls(config).owner, name: 'puppy up', connections: 1 })
  try {
    return await work(owner)
  } finally {
    await owner.end()
  }
}
