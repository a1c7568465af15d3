import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost, type Command, type Host } from '@puppy/host'
import { openFirewall, type Firewall, type FirewallOptions } from '../../src/index.ts'

/** Why network namespaces cannot be created here. False when they can. */
export const cannotRun: string | false = (() => {
  const host = createHost()
  if (process.getuid?.() !== 0) return 'needs root for a network namespace'
  if (host.program('nft') === undefined) return 'nft is not installed'
  if (host.program('ip') === undefined) return 'ip is not installed'
  return false
})()

export interface Order {
  readonly do: 'serve' | 'connect' | 'heard'
  readonly host: string
  readonly port: number
  readonly udp?: boolean
  /** Uses sendto(2) on a UDP socket that is not connected, as many servers do. */
  readonly unconnected?: boolean
  readonly localPort?: number
  readonly backlog?: number
  /** The number of bytes that a server answers with (`download`) or a client sends (`upload`). */
  readonly download?: number
  readonly upload?: number
  /** A server that reads all data and answers after the client has ended. */
  readonly sink?: boolean
  /** Milliseconds without an answer until the result is `timeout`. Default 1500. */
  readonly wait?: number
}

export interface Outcome {
  readonly result: string
  readonly ms?: number
  readonly received?: number
}

export interface Actor {
  serve(host: string, port: number, more?: Partial<Order>): Promise<string>
  connect(host: string, port: number, more?: Partial<Order>): Promise<string>
  /** Sends any order and returns the whole outcome. */
  tell(order: Order): Promise<Outcome>
  /** Returns the number of bytes that its servers received. */
  heard(): Promise<number>
  end(): Promise<void>
}

interface Cleaner {
  teardown(work: () => unknown): void
}

let count = 0

/** A network namespace with loopback up. The end of the test deletes it. */
export interface Lab {
  readonly netns: string
  /** The folder of transactions while nft reads them. */
  readonly folder: string
  readonly host: Host
  readonly firewall: Firewall
  open(options?: FirewallOptions): Firewall
  ip(...args: readonly string[]): Promise<string>
  nft(...args: readonly string[]): Promise<string>
  /** Runs a script in the language of nft. */
  nftScript(script: string): Promise<void>
  /** Runs a program in the namespace. */
  inside(...command: readonly string[]): Promise<string>
  actor(uid: number): Promise<Actor>
}

const host = createHost()

export async function run(command: readonly string[], input?: string): Promise<string> {
  const [name = '', ...args] = command
  const program: Command = [name.startsWith('/') ? name : (host.program(name) ?? name), ...args]
  const { stdout } = await host.run(program, { touches: 'ours', ...(input === undefined ? {} : { input }) })
  return stdout
}

export async function createLab(t: Cleaner): Promise<Lab> {
  count += 1
  const netns = `puppy-test-${process.pid}-${count}`
  const inside = (...args: readonly string[]) => run(['ip', 'netns', 'exec', netns, ...args])
  await run(['ip', 'netns', 'add', netns])
  t.teardown(() => run(['ip', 'netns', 'del', netns]))
  await run(['ip', '-n', netns, 'link', 'set', 'lo', 'up'])
  const folder = await mkdtemp(join(tmpdir(), 'puppy-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const open = (options: FirewallOptions = {}) => openFirewall(host, { netns, folder, ...options })
  return {
    netns,
    folder,
    host,
    firewall: open(),
    open,
    ip: (...args) => run(['ip', '-n', netns, ...args]),
    nft: (...args) => inside('nft', ...args),
    inside,
    nftScript: async (script) => {
      await run(['ip', 'netns', 'exec', netns, 'nft', '-f', '-'], script)
    },
    actor: (uid) => startActor(t, uid, [host.program('ip') as string, 'netns', 'exec', netns]),
  }
}

/** Joins two labs by a veth cable: 10.77.0.1 and fd77::1 in `here`; 10.77.0.2 and fd77::2 in `there`, the default route of `here`. */
export async function joinLabs(here: Lab, there: Lab): Promise<void> {
  await layCable(here, there.netns)
  await setAddresses(there, 2)
  await here.ip('route', 'add', 'default', 'via', '10.77.0.2')
  await here.ip('-6', 'route', 'add', 'default', 'via', 'fd77::2')
  for (const lab of [here, there]) await untilSettled(lab)
  for (const address of metadata) await there.ip('addr', 'add', address, 'dev', 'lo')
}

const metadata = ['169.254.169.254/32', '168.63.129.16/32', 'fd00:ec2::254/128'] as const

/** Joins the namespace of this process to a lab, like `joinLabs`. Other routes stay; only the metadata addresses are routed to the lab. */
export async function joinMachine(t: Cleaner, there: Lab): Promise<Place> {
  const here: Place = { ip: (...args) => run(['ip', ...args]), inside: (...args) => run(args) }
  await layCable(here, there.netns)
  t.teardown(() => here.ip('link', 'del', 'wan'))
  await setAddresses(there, 2)
  for (const place of [here, there]) await untilSettled(place)
  for (const address of metadata) {
    await there.ip('addr', 'add', address, 'dev', 'lo')
    await here.ip('route', 'add', address, 'via', address.includes(':') ? 'fd77::2' : '10.77.0.2')
  }
  return here
}

/** A network namespace: that of this process or of a lab. */
export type Place = Pick<Lab, 'ip' | 'inside'>

/** Returns the byte counters of the network interface, without the 14 bytes of Ethernet for each packet. */
export async function cableOf(place: Place): Promise<{ readonly sent: number; readonly received: number }> {
  const [link] = JSON.parse(await place.ip('-j', '-s', 'link', 'show', 'wan')) as readonly {
    readonly stats64: Readonly<Record<'rx' | 'tx', { readonly bytes: number; readonly packets: number }>>
  }[]
  if (link === undefined) throw new Error('the interface wan does not exist')
  const { rx, tx } = link.stats64
  return { sent: tx.bytes - 14 * tx.packets, received: rx.bytes - 14 * rx.packets }
}

async function layCable(here: Place, netns: string): Promise<void> {
  await here.ip('link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'wan', 'netns', netns)
  await setAddresses(here, 1)
}

async function setAddresses(place: Place, last: number): Promise<void> {
  await place.ip('addr', 'add', `10.77.0.${last}/24`, 'dev', 'wan')
  await place.ip('addr', 'add', `fd77::${last}/64`, 'dev', 'wan', 'nodad')
  await place.inside('sysctl', '-qw', 'net.ipv6.conf.wan.accept_dad=0')
  await place.ip('link', 'set', 'wan', 'up')
}

/** Waits until no IPv6 address is tentative. A tentative address cannot send. */
async function untilSettled(lab: Place): Promise<void> {
  const until = Date.now() + 5000
  while ((await lab.ip('-6', 'addr', 'show', 'dev', 'wan', 'tentative')) !== '' && Date.now() < until) await sleep(50)
}

/** Starts an actor that becomes this user. Without `before`, it runs in the namespace of this process. */
export async function startActor(t: Cleaner, uid: number, before: readonly string[] = []): Promise<Actor> {
  const script = fileURLToPath(new URL('actor.ts', import.meta.url))
  const [program, ...args] = [...before, process.execPath, '--no-warnings', script, String(uid)]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((settle) => child.once('close', () => settle()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the actor of uid ${uid} ended`)
    return JSON.parse(value) as Outcome
  }
  const tell = async (order: Order) => {
    child.stdin.write(`${JSON.stringify(order)}\n`)
    return next()
  }
  const end = async () => {
    child.stdin.end()
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(end)
  await next()
  return {
    tell,
    end,
    serve: async (address, port, more = {}) => (await tell({ do: 'serve', host: address, port, ...more })).result,
    connect: async (address, port, more = {}) => (await tell({ do: 'connect', host: address, port, ...more })).result,
    heard: async () => Number((await tell({ do: 'heard', host: '', port: 0 })).result),
  }
}
