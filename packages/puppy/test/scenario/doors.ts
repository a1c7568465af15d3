/** The doors of Puppy's own processes: the port of the API, the socket of the database, the locks. Attacks by another local user. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import { parseStat } from '@puppy/host/proc'
import { firstOutput, killHard } from '@puppy/host/testing'
import { smallPlan } from '@puppy/state/testing'
import t, { type Test } from 'tap'
import { asRootAtFirst } from '../../src/api-process.ts'
import { nodeCommand } from '../../src/node-command.ts'
import { cannotRun, createPuppy, eventually, type Puppy } from '../support/puppy.ts'

t.setTimeout(600_000)
const skip = { skip: cannotRun }

/** A user that is neither of Puppy's nor a tenant. */
const stranger = { uid: 65_533, gid: 65_533 }
const none = '0000000000000000'
const readStatus = (pid: number) =>
  Object.fromEntries(
    readFileSync(`/proc/${pid}/status`, 'utf8')
      .split('\n')
      .map((line) => line.split(/:\s*/, 2)),
  )
const isAlive = (pid: number) => {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.alive === true
  } catch {
    return false
  }
}
const portOf = (puppy: Puppy) => Number(puppy.env['PUPPY_LISTEN']?.split(':').at(-1))

/** Runs a program of Node as another local user until the test ends. */
function attack(t: Test, program: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['-e', program, ...args], {
    ...stranger,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Requests without keep-alive: a connection that an API has accepted ends with this API. */
function ask(port: number, path = '/livez'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, agent: false, timeout: 60_000 }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('timeout', () => request.destroy(new Error('no answer in a minute')))
    request.on('error', reject)
    request.end()
  })
}

const grabber = `
const net = require('node:net')
const [port] = process.argv.slice(1).map(Number)
let attempts = 0
const grab = (host) => {
  const server = net.createServer((socket) => socket.destroy())
  server.once('error', (error) => {
    attempts += 1
    if (attempts === 1) console.log('refused ' + error.code)
    setTimeout(grab, 1, host)
  })
  server.listen({ host, port, exclusive: true }, () => console.log('GRABBED ' + host))
}
for (const host of ['127.0.0.1', '0.0.0.0', '::']) grab(host)`

void t.test('no other user gets the port of the API while it restarts, and no request is refused', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_400 })
  await puppy.up()
  const port = portOf(puppy)
  const attacker = attack(t, grabber, String(port))
  t.match(await firstOutput(attacker), 'refused EADDRINUSE')
  let grabbed = ''
  attacker.stdout?.on('data', (chunk: Buffer) => (grabbed += chunk.toString()))
  const client = { answers: 0, refused: 0, reset: 0, other: [] as string[], run: true }
  const requests = Array.from({ length: 4 }, async () => {
    while (client.run) {
      try {
        if ((await ask(port)) === 200) client.answers += 1
      } catch (error) {
        const { code = '', message } = error as NodeJS.ErrnoException
        if (code === 'ECONNREFUSED') client.refused += 1
        // The API was killed when it had accepted the connection.
        else if (code === 'ECONNRESET') client.reset += 1
        else client.other.push(`${code} ${message}`)
      }
      await sleep(2)
    }
  })
  const pids = new Set<number>()
  for (let round = 0; round < 12; round += 1) {
    const pid = puppy.pidOf('api')
    pids.add(pid)
    const before = client.answers
    await killHard(pid)
    await eventually('another API answers', async () =>
      puppy.pidOf('api') !== pid && client.answers > before + 4 ? true : undefined,
    )
  }
  client.run = false
  await Promise.all(requests)
  t.equal(pids.size, 12)
  t.equal(grabbed, '', 'the port was never free')
  t.strictSame({ refused: client.refused, other: client.other }, { refused: 0, other: [] })
  t.equal(attacker.exitCode, null, 'the attack ran to the end')
})

void t.test('up() waits for a port that another user has, and names the user', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_440 })
  const port = portOf(puppy)
  const squat = `require('node:net').createServer().listen(${port}, '127.0.0.1', () => console.log('listens'))`
  const squatter = attack(t, squat)
  await firstOutput(squatter)
  const { code, output } = await puppy.command('up')
  t.equal(code, 78)
  t.match(output, new RegExp(`another program listens there: process ${squatter.pid} \\(.+\\) of uid 65533; stop that`))
  const waiting = puppy.up()
  setTimeout(() => squatter.kill('SIGKILL'), 4000)
  await waiting
  t.equal(await ask(port), 200, 'it started when the port was free')
})

void t.test('the API and the database have no privilege and no way to gain one', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_480 })
  await puppy.up()
  const unprivileged = {
    NoNewPrivs: '1',
    Groups: /^\s*$/,
    Uid: /^(65534\s*){4}$/,
    CapInh: none,
    CapPrm: none,
    CapEff: none,
    CapBnd: none,
    CapAmb: none,
  }
  const postmaster = puppy.pidOf('postgres')
  const servers = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ').map(Number)
  t.ok(servers.length > 3)
  for (const pid of [puppy.pidOf('api'), postmaster]) t.match(readStatus(pid), unprivileged)
  // A server of a connection may end meanwhile.
  const alive = servers.filter(isAlive).map(readStatus)
  for (const status of alive) t.match(status, unprivileged)

  // The API that `puppy api` starts, and the one whose user cannot read the code.
  const environment = readFileSync(`/proc/${puppy.pidOf('api')}/environ`, 'utf8')
    .split('\0')
    .filter(Boolean)
  const env = Object.fromEntries(environment.map((one) => /^([^=]+)=(.*)$/s.exec(one)?.slice(1) ?? []))
  const { LISTEN_FDS: received, ...rest } = env as Record<string, string>
  t.equal(received, '1')
  for (const name of ['up', 'api'] as const) await killHard(puppy.pidOf(name))
  const rows: [title: string, command: readonly [string, ...string[]], expected: object][] = [
    ['puppy api', nodeCommand('api'), unprivileged],
    [
      'an API that begins as root',
      asRootAtFirst(createHost(), nodeCommand('api')),
      { ...unprivileged, Groups: /^65534\s*$/, CapBnd: '00000000000000c4' },
    ],
  ]
  for (const [title, [program, ...args], expected] of rows) {
    const child = spawn(program, args, {
      cwd: '/',
      env: { ...rest, ...puppy.env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    await eventually(`${title} answers`, async () => ((await ask(portOf(puppy))) === 200 ? true : undefined))
    t.match(readStatus(child.pid ?? 0), expected, title)
    t.equal(puppy.pidOf('api'), child.pid, `${title}: the pid file`)
    child.kill('SIGTERM')
    await once(child, 'exit')
    t.equal(child.exitCode, 0)
  }
})

void t.test('up() ends an API that a killed up() has not recorded', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_520 })
  await puppy.up()
  const [up, api] = [puppy.pidOf('up'), puppy.pidOf('api')]
  t.teardown(() => killHard(api))
  await killHard(up)
  rmSync(join(puppy.runDir, 'api.pid'))
  t.equal(isAlive(api), true)
  await puppy.up()
  t.equal(isAlive(api), false)
  t.equal(await ask(portOf(puppy)), 200)
})

const hoarder = `
const net = require('node:net')
const { connect } = net
const [path, port] = process.argv.slice(1)
const count = (target, most, name) => {
  let [open, refused] = [0, 0]
  const next = () => {
    const socket = connect(target)
    socket.on('connect', () => { open += 1 })
    socket.on('error', () => { refused += 1; setTimeout(next, 5) })
    socket.on('close', () => setTimeout(next, 5))
  }
  for (let n = 0; n < most; n += 1) next()
  return () => name + ' ' + (open > 0 ? 'opened' : refused > 0 ? 'refused' : 'silent')
}
const database = count({ path }, 120, 'database')
const api = count({ host: '127.0.0.1', port: Number(port) }, Number(process.argv[3]), 'api')
setTimeout(() => console.log(database() + ', ' + api()), 1500)`

void t.test('another local user reaches no connection of the database, and takes none of the API', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_560 })
  await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  for (const silent of [230, 1500]) {
    const child = attack(
      t,
      hoarder,
      join(puppy.runDir, 'postgres/.s.PGSQL.5432'),
      String(portOf(puppy)),
      String(silent),
    )
    t.equal((await firstOutput(child)).trim(), 'database refused, api opened')
    for (let round = 0; round < 5; round += 1) {
      t.match(await puppy.api('GET', '/readyz'), { status: 200 })
      const name = `/v1/accounts/a-${silent}-${round}`
      t.match(await puppy.api('PUT', name, { plan: 'small' }), { status: 201, body: { ready: true } }, name)
    }
    const descriptors = readdirSync(`/proc/${puppy.pidOf('api')}/fd`).length
    t.ok(descriptors > silent / 2 && descriptors < 1100, `the API has ${descriptors} descriptors`)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

void t.test('a stopped program of a killed agent does not keep the next agent out', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 12_600 })
  await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  const agent = puppy.pidOf('agent')
  let running = true
  const work = (async () => {
    for (let free = 12; running && free < 400; free += 4) {
      await puppy.api('PUT', '/v1/hosts/h1/pool', { free, max: 500 }).catch(() => {})
      await sleep(200)
    }
  })()
  const stopped = await eventually('the agent runs a program that changes something', async () => {
    for (const until = Date.now() + 80; Date.now() < until;) {
      for (const pid of childrenOf(agent)) {
        if (!marked(pid)) continue
        process.kill(pid, 'SIGSTOP')
        if (isAlive(pid)) return pid
      }
    }
    return undefined
  })
  running = false
  t.teardown(() => killHard(stopped))
  const open = readdirSync(`/proc/${stopped}/fd`).map((name) => readlinkSync(`/proc/${stopped}/fd/${name}`))
  t.notMatch(open.join('\n'), /(agent|host)\.lock/, 'the program inherits no lock')
  await killHard(agent)
  await eventually('another agent works', async () => {
    if (puppy.pidOf('agent') === agent) return undefined
    const { body } = await puppy.api('PUT', '/v1/accounts/late', { plan: 'small' })
    return body['ready'] === true ? true : undefined
  })
  t.equal(isAlive(stopped), false)
  await work
})

/** Returns the children of all threads of a process. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
}

function marked(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes('HOST_LOCKS=')
  } catch {
    return false
  }
}

void t.test('up() serves every address of a name', skip, async (t) => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  const puppy = await createPuppy(t, { firstPort: 12_640, env: { PUPPY_LISTEN: `localhost:${port}` } })
  const { output } = await puppy.up()
  t.match(output(), new RegExp(`Puppy is ready on http://localhost:${port}`))
  t.equal(await ask(port), 200)
})
