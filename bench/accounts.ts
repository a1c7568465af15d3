import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { renderSysusers, renderTmpfiles } from './floor.ts'
import { claimOf, median, quantile, time, type Bench, type Claim } from './claim.ts'
import { freePort } from '../packages/host/test/support/index.ts'
import { cannotRun, createPuppy, eventually, type Puppy } from '../packages/puppy/test/support/puppy.ts'
import { smallPlan, sshKey } from '../packages/state/test/support/index.ts'

const singles = 60
const crowd = 200

/** Measures the time from a PUT to `ready: true` for one account, for one domain, and for 200 accounts at the same time. */
export const accounts: Bench = {
  claims: ['account.ready', 'domain.ready', 'accounts.ready.200'],
  cannotRun: () => (cannotRun === false ? undefined : cannotRun),
  run: measureAll,
}

async function measureAll(): Promise<readonly Claim[]> {
  const cleanups: (() => unknown)[] = []
  try {
    return await measure({ teardown: (work) => cleanups.push(work) })
  } finally {
    for (const work of cleanups.toReversed()) await work()
  }
}

async function measure(t: { teardown(work: () => unknown): void }): Promise<readonly Claim[]> {
  const puppy = await createPuppy(t, { firstPort: 14_000 })
  await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', { ...smallPlan, domains: 1000 })
  await fillPool(puppy, singles + 10)
  const today = await startToday(t)
  const floor = await startFloor(t)

  const account = { ours: [] as number[], floor: [] as number[], today: [] as number[] }
  const domain = { ours: [] as number[], floor: [] as number[], today: [] as number[] }
  for (let index = 0; index < singles; index += 1) {
    account.ours.push(
      await time(() => ready(puppy, `/v1/accounts/single-${index}`, { plan: 'small', sshKeys: [sshKey] })),
    )
    account.floor.push(await time(() => floor.twoFiles(index)))
    const { body } = await puppy.api('GET', `/v1/accounts/single-${index}`)
    const port = (body['ports'] as number[])[0]
    domain.ours.push(
      await time(() => ready(puppy, `/v1/domains/single-${index}.example.com`, { account: `single-${index}`, port })),
    )
    domain.floor.push(await time(() => floor.mapRow(puppy, index)))
    if (index % 4 === 0) {
      account.today.push(await time(() => today.account(index)))
      domain.today.push(await time(() => today.domain(index)))
    }
  }

  await fillPool(puppy, 10)
  const crowdNames = Array.from({ length: crowd }, (_, index) => `crowd-${index}`)
  const accountsOnly = await time(() =>
    Promise.all(crowdNames.map((name) => ready(puppy, `/v1/accounts/${name}`, { plan: 'small', sshKeys: [sshKey] }))),
  )
  const ports = await portsOf(puppy, crowdNames)
  const domainsOnly = await time(() =>
    Promise.all(
      crowdNames.map((name) =>
        ready(puppy, `/v1/domains/${name}.example.com`, { account: name, port: ports.get(name) }),
      ),
    ),
  )
  const together = accountsOnly + domainsOnly
  const built = await time(async () => {
    await floor.pool(crowd)
    await floor.crowd(crowd)
  })
  const looped = await time(async () => {
    for (let index = 1000; index < 1000 + crowd; index += 1) {
      await today.account(index)
      await today.domain(index)
    }
  })
  return [
    claimOf('account.ready', medians(account), {
      floorIs: 'two files written, fsynced and renamed, and their folder fsynced',
      todayIs: 'useradd -m in a scratch root, and a key file',
      more: { p99: quantile(account.ours, 0.99) },
    }),
    claimOf('domain.ready', medians(domain), {
      floorIs: 'a map file rewritten with fsync and rename, and one "add map" on the runtime socket',
      todayIs: 'a backend appended to haproxy.cfg, haproxy -c, and a reload until the new worker answers',
      more: { p99: quantile(domain.ours, 0.99) },
    }),
    claimOf(
      'accounts.ready.200',
      { ours: together, floor: built, today: looped },
      {
        floorIs:
          'one systemd-sysusers and one systemd-tmpfiles for 200 users and homes, and two fsynced files for each',
        todayIs: 'a loop of 200 times useradd -m, a key file, a backend appended, haproxy -c and a reload',
        more: { accountsPerSecond: (crowd / accountsOnly) * 1000, accountsOnly, domainsOnly },
      },
    ),
  ]
}

function medians({ ours, floor, today }: Readonly<Record<'ours' | 'floor' | 'today', readonly number[]>>) {
  return { ours: median(ours), floor: median(floor), today: median(today) }
}

async function ready(puppy: Puppy, path: string, body: unknown): Promise<void> {
  const answer = await puppy.api('PUT', path, body, { prefer: 'wait=60' })
  if (answer.body['ready'] !== true) throw new Error(`PUT ${path} is not ready: ${JSON.stringify(answer.body)}`)
}

async function portsOf(puppy: Puppy, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const answers = await Promise.all(names.map((name) => puppy.api('GET', `/v1/accounts/${name}`)))
  return new Map(answers.map(({ body }, index) => [names[index] ?? '', (body['ports'] as number[])[0] ?? 0]))
}

async function fillPool(puppy: Puppy, free: number): Promise<void> {
  await puppy.api('PUT', '/v1/hosts/h1/pool', { free, max: 2000 })
  await eventually(`${free} free slots`, async () => {
    const { body } = await puppy.api('GET', '/v1/hosts/h1/pool')
    const slots = body['slots'] as Record<string, number>
    return (slots['free'] ?? 0) >= free && slots['building'] === 0 ? true : undefined
  })
  await sleep(500)
}

function scratch(t: { teardown(work: () => unknown): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'puppy-bench-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['etc', 'home', 'keys', 'env', 'run']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n')
  for (const name of ['group', 'shadow', 'gshadow'])
    writeFileSync(join(folder, 'etc', name), name === 'group' ? 'root:x:0:\n' : '')
  return folder
}

async function replace(folder: string, name: string, text: string): Promise<void> {
  const file = await open(join(folder, `.${name}`), 'w')
  await file.writeFile(text)
  await file.sync()
  await file.close()
  await rename(join(folder, `.${name}`), join(folder, name))
  const handle = await open(folder, 'r')
  await handle.sync()
  await handle.close()
}

/** Prepares the floor: the bare tools and system calls. */
async function startFloor(t: { teardown(work: () => unknown): void }) {
  const folder = scratch(t)
  let map = ''
  return {
    twoFiles: async (index: number) => {
      await replace(join(folder, 'keys'), `p${index}`, sshKey)
      await replace(join(folder, 'env'), `p${index}`, 'PORT=1\n')
    },
    mapRow: async (puppy: Puppy, index: number) => {
      map += `floor-${index}.example.com 14000\n`
      await replace(folder, 'hosts.map', map)
      await runtime(
        join(puppy.runDir, 'haproxy/haproxy.sock'),
        `add map ${join(puppy.stateDir, 'haproxy/hosts.map')} floor-${index}.invalid 14000\n`,
      )
    },
    crowd: async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        await replace(join(folder, 'keys'), `c${index}`, sshKey)
        await replace(join(folder, 'env'), `c${index}`, 'PORT=1\n')
      }
    },
    pool: async (count: number) => {
      await run('/usr/bin/systemd-sysusers', [`--root=${folder}`, '-'], renderSysusers(count))
      await run('/usr/bin/systemd-tmpfiles', [`--root=${folder}`, '--create', '-'], renderTmpfiles(count))
    },
  }
}

async function runtime(path: string, command: string): Promise<void> {
  const socket = createConnection(path)
  socket.end(command)
  socket.resume()
  await once(socket, 'close')
}

async function run(program: string, args: readonly string[], input = ''): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  // A program that ends before it reads its input closes the pipe. Its exit code says what happened.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`${program} ended with ${child.exitCode ?? child.signalCode}`)
}

/** Prepares today's way with its own HAProxy. An operator's script runs useradd, appends to a configuration and reloads. */
async function startToday(t: { teardown(work: () => unknown): void }) {
  const folder = scratch(t)
  const port = await freePort()
  const [config, pidFile, socket] = [
    join(folder, 'haproxy.cfg'),
    join(folder, 'haproxy.pid'),
    join(folder, 'run/haproxy.sock'),
  ]
  writeFileSync(
    config,
    `global\n  stats socket ${socket} mode 600 level admin expose-fd listeners\n  mworker-max-reloads 3\n  hard-stop-after 5s\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\nfrontend web\n  bind 127.0.0.1:${port}\n  use_backend %[req.hdr(host),lower]\n`,
  )
  await run('/usr/sbin/haproxy', ['-W', '-D', '-f', config, '-p', pidFile])
  const master = () => Number(readFileSync(pidFile, 'utf8').trim())
  t.teardown(async () => {
    process.kill(master(), 'SIGTERM')
    await sleep(300)
  })
  return {
    account: async (index: number) => {
      await run('/usr/sbin/useradd', [
        '--prefix',
        folder,
        '-m',
        '-d',
        `/home/t${index}`,
        '-u',
        String(20_000 + index),
        `t${index}`,
      ])
      writeFileSync(join(folder, 'keys', `t${index}`), sshKey)
    },
    domain: async (index: number) => {
      appendFileSync(config, `backend t${index}.example.com\n  server one 127.0.0.1:${14_000 + index * 8}\n`)
      await run('/usr/sbin/haproxy', ['-c', '-q', '-f', config])
      const before = await workerOf(socket)
      // A master that has just started or is about to reload loses the signal, so repeat it.
      for (let polls = 0; (await workerOf(socket)) === before; polls += 1) {
        if (polls % 200 === 0) process.kill(master(), 'SIGUSR2')
        await sleep(2)
      }
    },
  }
}

/** Returns the process id of the worker that answers on the socket, or 0 while no worker answers. */
async function workerOf(path: string): Promise<number> {
  let text = ''
  try {
    const connection = createConnection(path)
    connection.on('data', (chunk: Buffer) => (text += chunk.toString()))
    connection.end('show info\n')
    await once(connection, 'close')
  } catch {
    return 0
  }
  return Number(/^Pid: (\d+)$/m.exec(text)?.[1] ?? 0)
}
