import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startEmbedded, stopEmbedded, type EmbeddedOptions } from '../../src/database/embedded.ts'
import { openDatabase } from '../../src/database/pool.ts'
import { createHost } from '@puppy/host'
import { identifyProcess } from '@puppy/host/process'
import { killHard } from '@puppy/host/testing'
import { isRoot, scratchFolder, type Cleanup } from '@puppy/host/testing'
import { nobody } from '../support/database.ts'

t.setTimeout(120_000)

function options(t: Cleanup): EmbeddedOptions {
  const stateDir = scratchFolder(t)
  const self = userInfo().username
  t.teardown(() => stopEmbedded(stateDir))
  return {
    stateDir,
    runDir: join(stateDir, 'run'),
    ...(isRoot ? { server: nobody } : {}),
    peers: { owner: self, api: self, agent: self },
  }
}

/** Connects to a socket and prints the result. */
const tryConnect = `
const socket = require('node:net').connect(process.env.SOCKET)
socket.on('connect', () => { console.log('connected'); socket.destroy() })
socket.on('error', (error) => console.log(error.code))`

async function ask(url: string, sql: string) {
  const database = openDatabase({ url, name: 'test', connections: 1 })
  try {
    return await database.query(sql)
  } finally {
    await database.end()
  }
}

void t.test('startEmbedded() starts a server, adopts a running one, and listens only on its socket', async (t) => {
  const at = options(t)
  const first = await startEmbedded(at)
  t.equal(first.adopted, false)
  t.strictSame(await ask(first.urls.agent, 'select current_user as name'), [{ name: 'puppy_agent' }])
  t.strictSame(await ask(first.urls.owner, 'show listen_addresses'), [{ listen_addresses: '' }], 'no TCP')
  const second = await startEmbedded(at)
  t.match(second, { adopted: true, pid: first.pid })
  t.equal(await stopEmbedded(at.stateDir), true)
  t.equal(await stopEmbedded(at.stateDir), false, 'a second stop does nothing')
})

void t.test(
  'startEmbedded() allows only one group to reach the socket',
  { skip: !isRoot && 'needs root' },
  async (t) => {
    const at = options(t)
    const socket = join(at.runDir, 'postgres')
    const listens = (uid: number, gid: number) =>
      execFileSync(
        'setpriv',
        ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', process.execPath, '--eval', tryConnect],
        { cwd: '/', env: { SOCKET: join(socket, '.s.PGSQL.5432') }, encoding: 'utf8' },
      ).trim()
    await startEmbedded({ ...at, clients: 59_873 })
    t.match(statSync(socket), { mode: 0o40710, uid: nobody.uid, gid: 59_873 })
    t.equal(listens(59_871, 59_873), 'connected')
    t.equal(listens(59_871, 59_872), 'EACCES')
    await startEmbedded(at)
    t.equal(listens(59_871, 59_873), 'EACCES', 'a running server is protected too')
  },
)

void t.test('startEmbedded() keeps the data after kill -9 of the server', async (t) => {
  const at = options(t)
  const first = await startEmbedded(at)
  await ask(first.urls.owner, 'create table kept as select 1 as one')
  await killHard(first.pid)
  const second = await startEmbedded(at)
  t.equal(second.adopted, false)
  t.strictSame(await ask(second.urls.owner, 'select one from kept'), [{ one: 1 }])
})

void t.test('startEmbedded() does not use an unfinished cluster', async (t) => {
  const at = options(t)
  const home = join(at.stateDir, 'postgres')
  mkdirSync(join(home, 'data.new/base'), { recursive: true })
  writeFileSync(join(home, 'data.new/PG_VERSION'), '18\n')
  if (isRoot) chownSync(join(home, 'data.new'), nobody.uid, nobody.gid)
  const { urls } = await startEmbedded(at)
  t.strictSame(await ask(urls.owner, 'select 1 as one'), [{ one: 1 }])
})

void t.test('startEmbedded() ignores a pid file that names another process', async (t) => {
  const at = options(t)
  const first = await startEmbedded(at)
  const file = join(at.stateDir, 'postgres/data/postmaster.pid')
  const text = readFileSync(file, 'utf8')
  await stopEmbedded(at.stateDir)
  writeFileSync(file, text.replace(String(first.pid), String(process.ppid)))
  if (isRoot) chownSync(file, nobody.uid, nobody.gid)
  const other = await identifyProcess(createHost(), process.ppid)
  const second = await startEmbedded(at)
  t.equal(second.adopted, false)
  t.match(
    await identifyProcess(createHost(), process.ppid),
    { started: other?.started },
    'the other process still runs',
  )
  t.strictSame(await ask(second.urls.owner, 'select 1 as one'), [{ one: 1 }])
})

/** Starts a cluster in a separate process and kills that process at a given moment. Its child processes continue. */
async function startAndKill(at: EmbeddedOptions, moment: () => boolean): Promise<void> {
  const module = import.meta.resolve('../../src/database/embedded.ts')
  const script = `const { startEmbedded } = await import(${JSON.stringify(module)})
    await startEmbedded(${JSON.stringify(at)})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  while (!moment() && child.exitCode === null) await sleep(2)
  child.kill('SIGKILL')
  await ended
}

void t.test('startEmbedded() waits for an initdb that outlived kill -9, and creates the cluster again', async (t) => {
  const at = options(t)
  const home = join(at.stateDir, 'postgres')
  await startAndKill(at, () => existsSync(join(home, 'data.new/PG_VERSION')))
  t.notOk(existsSync(join(home, 'data')), 'the unfinished folder is not the cluster')
  const { urls, adopted } = await startEmbedded(at)
  t.equal(adopted, false)
  t.strictSame(await ask(urls.owner, 'select 1 as one'), [{ one: 1 }])
  t.notOk(existsSync(join(home, 'data.new')))
})

void t.test(
  'startEmbedded() copies the binaries again after kill -9 of a copy',
  { skip: isRoot ? false : 'needs root: otherwise nothing is copied' },
  async (t) => {
    const at = options(t)
    const home = join(at.stateDir, 'postgres')
    mkdirSync(home, { recursive: true })
    const names = () => readdirSync(home).filter((name) => name.startsWith('binaries-'))
    await startAndKill(at, () => names().length > 0)
    const { urls } = await startEmbedded(at)
    t.strictSame(await ask(urls.agent, 'select 1 as one'), [{ one: 1 }])
    t.equal(names().length, 1, 'one complete copy')
  },
)

void t.test('startEmbedded() throws the last lines of the log if the server does not start', async (t) => {
  const at = options(t)
  await startEmbedded(at)
  await stopEmbedded(at.stateDir)
  writeFileSync(join(at.stateDir, 'postgres/data/postgresql.conf'), 'no_such_setting = 1\n')
  await t.rejects(startEmbedded(at), {
    name: 'StartError',
    message: /does not start; the last lines of .*no_such_setting/s,
  })
})

void t.test('startEmbedded() writes the map of peers at every start', async (t) => {
  const at = options(t)
  await startEmbedded(at)
  await startEmbedded({ ...at, peers: { ...at.peers, agent: 'another-user' } })
  const map = readFileSync(join(at.stateDir, 'postgres/data/pg_ident.conf'), 'utf8')
  t.match(map, /^puppy another-user puppy_agent$/m)
  t.notMatch(map, new RegExp(`^puppy ${userInfo().username} puppy_agent$`, 'm'))
  const rules = readFileSync(join(at.stateDir, 'postgres/data/pg_hba.conf'), 'utf8').trim().split('\n')
  t.ok(
    rules.every((line) => /^local all puppy(_api|_agent)? peer map=puppy$/.test(line)),
    'only peers on the socket',
  )
})

void t.test(
  'a user that the map does not name cannot connect as a role',
  { skip: isRoot ? false : 'needs root to become another user' },
  async (t) => {
    const at = options(t)
    const { urls } = await startEmbedded({ ...at, clients: 12_345 })
    const script = `
    const { default: pg } = await import(${JSON.stringify(import.meta.resolve('pg'))})
    process.setgroups([]); process.setgid(12345); process.setuid(12345)
    const client = new pg.Client({ connectionString: process.argv[1] })
    client.connect().then(() => console.log('in'), (error) => console.log(error.code ?? error.message))`
    for (const url of Object.values(urls)) {
      const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script, url], { encoding: 'utf8' })
      t.equal(stdout.trim(), '28000', 'another uid is refused')
    }
  },
)
