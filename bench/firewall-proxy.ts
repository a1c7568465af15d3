import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost } from '../packages/host/src/index.ts'
import { cannotRun, createLab, type Lab } from '../packages/firewall/test/support/lab.ts'
import { alice, crowd, proxy } from '../packages/firewall/test/support/settings.ts'
import { claimOf, median, type Bench, type Claim } from './claim.ts'

const tenants = 2816
const rounds = 10
const milliseconds = 1000
const host = createHost()

/** Measures what the table costs visitors of a tenant's site: requests through HAProxy to a small HTTP server, over loopback. */
export const firewallProxy: Bench = {
  claims: ['firewall.proxy.2816'],
  cannotRun: () => {
    if (cannotRun !== false) return cannotRun
    return host.program('haproxy') === undefined ? 'haproxy is not installed' : undefined
  },
  run: async () => {
    const cleanups: (() => unknown)[] = []
    const folder = await mkdtemp('/tmp/puppy-bench-')
    await chmod(folder, 0o755)
    const teardown = (work: () => unknown) => void cleanups.push(work)
    try {
      return await measure(await createLab({ teardown }), folder, teardown)
    } finally {
      for (const work of cleanups.toReversed()) await work()
      await rm(folder, { recursive: true })
    }
  },
}

const ways = ['floor', 'ours', 'today'] as const
type Way = (typeof ways)[number]

async function measure(lab: Lab, folder: string, teardown: Teardown): Promise<readonly Claim[]> {
  const settings = crowd(tenants)
  const rulesPerTenant = join(folder, 'today.nft')
  await writeFile(rulesPerTenant, perTenant(settings.slots))
  await startHaproxy(lab, folder, teardown, {
    name: 'origin',
    uid: alice,
    sections: `frontend origin\n  bind 127.0.0.1:10240\n  http-request return status 200 content-type text/plain string "a page of a tenant"\n`,
  })
  const script = fileURLToPath(new URL('support/tenant.ts', import.meta.url))
  inside(lab, teardown, [...becoming(alice), process.execPath, '--no-warnings', script, '10241'], 'inherit')
  await startHaproxy(lab, folder, teardown, { name: 'proxy', uid: proxy, sections: [10_240, 10_241].map(web).join('') })
  const visits = {
    node: await startVisitors(lab, teardown, 8081),
    nothing: await startVisitors(lab, teardown, 8080),
  }
  const flush = () => lab.nft('flush', 'ruleset')
  const prepare: Readonly<Record<Way, () => Promise<unknown>>> = {
    floor: flush,
    ours: async () => {
      await flush()
      await lab.firewall.ensure(settings)
    },
    today: async () => {
      await flush()
      await lab.nft('-f', rulesPerTenant)
    },
  }
  const none = (): Record<Way, number[]> => ({ floor: [], ours: [], today: [] })
  const times = { node: none(), nothing: none() }
  for (let round = 0; round < rounds; round += 1) {
    // Measure in turn, and change the order, because the speed of the machine varies from second to second.
    const order = round % 2 === 0 ? (['floor', 'ours'] as const) : (['ours', 'floor'] as const)
    for (const way of round < 3 ? [...order, 'today' as const] : order) {
      await prepare[way]()
      times.node[way].push(await visits.node())
      times.nothing[way].push(await visits.nothing())
    }
  }
  const kept = ({ floor, ours }: Record<Way, number[]>) =>
    median(floor.map((time, round) => time / (ours[round] ?? Number.NaN)))
  const { floor, ours, today } = times.node
  return [
    claimOf(
      'firewall.proxy.2816',
      { ours: median(ours), floor: median(floor), today: median(today) },
      {
        more: {
          throughputKept: kept(times.node),
          throughputKeptBeforeNothing: kept(times.nothing),
          perSecond: 1_000_000 / median(ours),
          perSecondBeforeNothing: 1_000_000 / median(times.nothing.ours),
        },
        floorIs:
          '1,000 requests through HAProxy to a Node server of a tenant, without rules, on 16 open connections (BeforeNothing: to an answer of HAProxy itself)',
        todayIs: `the same with three rules for each of ${tenants} tenants`,
      },
    ),
  ]
}

/** Renders a frontend for a tenant's port. It listens 2160 below that port. */
function web(port: number): string {
  return `frontend web${port}
  bind 127.0.0.1:${port - 2160}
  default_backend tenant${port}
backend tenant${port}
  server s1 127.0.0.1:${port}
`
}

/** Renders today's way: rules for each tenant, which the kernel evaluates one after the other for each packet. */
function perTenant(slots: readonly { readonly uid: number; readonly firstPort: number; readonly lastPort: number }[]) {
  const of = (rule: (slot: (typeof slots)[number]) => string) => slots.map(rule).join('\n')
  return `table inet today {
chain output { type filter hook output priority 0;
${of(({ uid, firstPort, lastPort }) => `tcp sport ${firstPort}-${lastPort} meta skuid != ${uid} drop`)}
${of(({ uid, firstPort, lastPort }) => `oif lo tcp dport ${firstPort}-${lastPort} meta skuid != { 0, ${proxy}, ${uid} } reject with tcp reset`)}
}
chain input { type filter hook input priority 0;
${of(({ firstPort, lastPort }) => `iif != lo tcp dport ${firstPort}-${lastPort} drop`)}
}
}
`
}

interface Haproxy {
  readonly name: string
  readonly uid: number
  readonly sections: string
}

type Teardown = (work: () => unknown) => void

async function startHaproxy(lab: Lab, folder: string, teardown: Teardown, { name, uid, sections }: Haproxy) {
  const config = join(folder, `${name}.cfg`)
  const timeouts = 'timeout connect 5s\n  timeout client 1h\n  timeout server 1h'
  await writeFile(config, `global\n  nbthread 1\ndefaults\n  mode http\n  ${timeouts}\n${sections}`)
  const child = inside(lab, teardown, [...becoming(uid), program('haproxy'), '-db', '-f', config], 'inherit')
  await sleep(500)
  if (child.exitCode !== null) throw new Error(`Cannot measure: the HAProxy "${name}" ended`)
}

function becoming(uid: number): readonly string[] {
  return [program('setpriv'), '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--']
}

async function startVisitors(lab: Lab, teardown: Teardown, port: number): Promise<() => Promise<number>> {
  const script = fileURLToPath(new URL('support/visitors.ts', import.meta.url))
  const child = inside(lab, teardown, [process.execPath, '--no-warnings', script, String(port), '16'], 'pipe')
  if (child.stdout === null || child.stdin === null) throw new Error('Cannot measure: the visitors have no pipes')
  const { stdin } = child
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  /** Returns the milliseconds for 1,000 requests. */
  return async () => {
    stdin.write(`${milliseconds}\n`)
    const { value } = await lines.next()
    const { served, ms } = JSON.parse(String(value)) as { readonly served: number; readonly ms: number }
    return (ms / served) * 1000
  }
}

function inside(lab: Lab, teardown: Teardown, words: readonly string[], out: 'inherit' | 'pipe'): ChildProcess {
  const child = spawn(program('ip'), ['netns', 'exec', lab.netns, ...words], {
    // HAProxy returns to its working folder after it gave up root, which it cannot when the checkout is closed to other users.
    cwd: '/',
    stdio: ['pipe', out, 'inherit'],
  })
  teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  return child
}

function program(name: string): string {
  const found = host.program(name)
  if (found === undefined) throw new Error(`${name} is not installed`)
  return found
}
