import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Bench, Claim } from './claim.ts'
import { cannotRun, createPuppy, type Puppy } from '../packages/puppy/test/support/puppy.ts'
import { smallPlan, sshKey } from '../packages/state/test/support/index.ts'

/** The default number of operations. PUPPY_BENCH_OPERATIONS overrides it. With 10,000 a memory leak becomes visible. */
const usual = 600
const workers = 8
const slots = 36
const names = ['up', 'api', 'agent'] as const
type Name = (typeof names)[number]

/** The memory in MB before this benchmark existed, after 600 operations, started with `npm start`. */
const before: Readonly<Record<Name, number>> = { up: 109, api: 192, agent: 260 }

/** Measures the memory of each process after operations over HTTP, with 36 slots. */
export const memory: Bench = {
  claims: names.map((name) => `memory.${name}`),
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
  const total = Number(process.env['PUPPY_BENCH_OPERATIONS'] ?? usual)
  const puppy = await createPuppy(t, { firstPort: 15_000 })
  const running = await puppy.up()
  const pids = (): Record<Name, number> => ({
    up: running.process.pid ?? 0,
    api: puppy.pidOf('api'),
    agent: puppy.pidOf('agent'),
  })
  await puppy.api('PUT', '/v1/plans/small', { ...smallPlan, domains: 1000 })
  await puppy.api('PUT', '/v1/hosts/h1/pool', { free: 20, max: slots })
  const began = pids()
  const seen: Record<Name, Record<string, number>> = { up: {}, api: {}, agent: {} }
  await operate(puppy, total, (done) => {
    for (const name of names) seen[name][`at ${done}`] = residentOf(began[name])
  })
  const ended = pids()
  for (const name of names) {
    if (ended[name] !== began[name])
      throw new Error(`Cannot measure the memory of ${name}: the process was restarted during the run`)
  }
  const node = await floorOf(t, 'setInterval(() => {}, 1000); process.send(0)')
  const service = await floorOf(
    t,
    `const [{ default: fastify }, { default: pg }] = await Promise.all([import('./api/node_modules/fastify/fastify.js'), import('./state/node_modules/pg/lib/index.js')])
     const app = fastify(); app.get('/', async () => 'x'); const pool = new pg.Pool(); await app.ready(); process.send(pool.totalCount)`,
  )
  const floors: Readonly<Record<Name, readonly [number, string]>> = {
    up: [node, 'node with only a timer'],
    api: [service, 'node with Fastify and pg loaded, one route, no request'],
    agent: [node, 'node with only a timer'],
  }
  return names.map((name) => {
    const ours = residentOf(ended[name])
    const [floor, floorIs] = floors[name]
    return {
      claim: `memory.${name}`,
      unit: 'MB',
      ours,
      floor,
      today: before[name],
      toFloor: Number((ours / floor).toPrecision(3)),
      fromToday: Number((before[name] / ours).toPrecision(3)),
      more: seen[name],
      floorIs,
      todayIs: 'Puppy before this benchmark existed, after 600 operations',
    }
  })
}

/** Creates, changes and deletes accounts and domains, eight at a time. Calls `look` ten times during the run. */
async function operate(puppy: Puppy, total: number, look: (done: number) => void): Promise<void> {
  const step = Math.ceil(total / 10)
  let done = 0
  let next = 0
  const one = async (method: string, path: string, body?: unknown) => {
    const answer = await puppy.api(method, path, body, { prefer: 'wait=60' })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    done += 1
    if (done % step === 0) look(done)
    return answer
  }
  const worker = async () => {
    while (done < total) {
      const name = `m${next++}`
      const { body } = await one('PUT', `/v1/accounts/${name}`, { plan: 'small', sshKeys: [sshKey] })
      const [port] = body['ports'] as number[]
      await one('PUT', `/v1/domains/${name}.example.com`, { account: name, port })
      await one('PATCH', `/v1/accounts/${name}`, { labels: { round: name } })
      await one('DELETE', `/v1/domains/${name}.example.com`)
      await one('DELETE', `/v1/accounts/${name}`)
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
}

/** Returns the resident memory of a process in MB of 2^20 bytes. @see proc_pid_smaps(5) */
function residentOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Math.round(Number(/^Rss: +(\d+) kB$/m.exec(text)?.[1]) / 1024)
}

async function floorOf(t: { teardown(work: () => unknown): void }, script: string): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: fileURLToPath(new URL('../packages', import.meta.url)),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill())
  await once(child, 'message')
  return residentOf(child.pid ?? 0)
}
