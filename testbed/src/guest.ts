import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { basename, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno, type Host } from '@puppy/host'
import type { GuestDefinition } from '../definition/guest.ts'
import { TestbedError } from './errors.ts'
import { programOf, tail } from './build.ts'
import type { TestbedPaths } from './paths.ts'
import { disks, qemuArguments, type Accelerator } from './qemu.ts'
import { openMonitor } from './qmp.ts'
import { closeConnection } from './ssh.ts'

/** A running guest, as in `guest.json` in its folder. */
export interface Guest {
  /** The release and the number of the guest: `trixie/1`. */
  readonly name: string
  readonly folder: string
  readonly pid: number
  /** The port of 127.0.0.1 that leads to its sshd. */
  readonly port: number
  /** The ids of its image and of its disk with the dependencies. */
  readonly image: string
  readonly dependencies: string
  readonly accelerator: Accelerator
  readonly hosts: number
  /** False until the guest can be used. It stays false when the command that started the guest was killed. */
  readonly ready: boolean
}

/** Returns the process ids of the guests of this checkout by name, from /proc. Finds a guest without its folder too. */
export async function findGuestProcesses(tag: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
    const name = guestName(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), tag)
    if (name !== undefined) found.set(name, Number(pid))
  }
  return found
}

/** Returns the name of a guest from its command line (words that end in NUL), or undefined if it is no guest of this checkout. Pure. */
export function guestName(commandLine: string, tag: string): string | undefined {
  const words = commandLine.split('\0')
  const name = words[words.indexOf('-name') + 1] ?? ''
  const isQemu = /(^|\/)qemu-system-[a-z0-9_]+$/.test(words[0] ?? '')
  return isQemu && name.startsWith(`${tag}/`) ? name.slice(tag.length + 1) : undefined
}

/** Returns the running guests of a release, ordered by number. */
export async function findGuests(paths: TestbedPaths, release: string): Promise<readonly Guest[]> {
  const processes = await findGuestProcesses(paths.tag)
  const guests: Guest[] = []
  for (const [name, pid] of [...processes].toSorted(([one], [other]) => one.localeCompare(other))) {
    if (!name.startsWith(`${release}/`)) continue
    const text = await readFile(join(paths.guests, name, 'guest.json'), 'utf8').catch(() => undefined)
    if (text !== undefined) guests.push({ ...(JSON.parse(text) as Guest), folder: join(paths.guests, name), pid })
  }
  return guests
}

/** Returns one running guest. @throws TestbedError, which names the command that starts it. */
export async function findGuest(paths: TestbedPaths, release: string, number = 1): Promise<Guest> {
  const found = (await findGuests(paths, release)).find((guest) => guest.name === `${release}/${number}`)
  if (found !== undefined) return found
  throw new TestbedError(`No guest ${release}/${number} is running; start it: testbed up --release ${release}`)
}

/** Options of `startGuest`. */
export interface StartOptions {
  readonly definition: GuestDefinition
  readonly accelerator: Accelerator
  /** The folder of the image, and the file of the disk with the dependencies. */
  readonly image: string
  readonly dependencies: string
  /** The folder of a saved state to continue from. */
  readonly saved?: string
  readonly number: number
  readonly hosts: number
  /** The port of 127.0.0.1. Default: a free port. */
  readonly port?: number
}

/** Starts a guest in the background on its own disks. Does not wait for its boot. @throws TestbedError when QEMU does not start. */
export async function startGuest(host: Host, paths: TestbedPaths, options: StartOptions): Promise<Guest> {
  const { definition, accelerator, number, hosts, saved } = options
  const name = `${definition.release}/${number}`
  const folder = join(paths.guests, name)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await createDisks(host, folder, options)
  const hostKey = await readFile(join(options.image, 'host-key.pub'), 'utf8')
  await writeFile(join(folder, 'known_hosts'), `testbed ${hostKey}`)
  const port = options.port ?? (await freePort())
  const words = qemuArguments({
    definition,
    accelerator,
    tag: paths.tag,
    name,
    port,
    image: relative(folder, options.image),
    ...(saved === undefined ? {} : { saved: relative(folder, saved) }),
    ...(hosts > 1 ? { network: { number, hosts } } : {}),
  })
  const guest: Guest = {
    name,
    folder,
    pid: 0,
    port,
    accelerator,
    hosts,
    ready: false,
    image: basename(options.image),
    dependencies: basename(options.dependencies),
  }
  await writeFacts(guest)
  const pid = await launch(programOf(host, 'qemu-system-x86_64'), words, folder)
  return { ...guest, pid }
}

/** Records in `guest.json` that a guest can be used. */
export async function markReady(guest: Guest): Promise<Guest> {
  const ready = { ...guest, ready: true }
  await writeFacts(ready)
  return ready
}

async function writeFacts(guest: Guest): Promise<void> {
  await writeFile(join(guest.folder, 'guest.json'), `${JSON.stringify(guest, undefined, 2)}\n`)
}

/** Creates the overlays that a guest writes to. They are deleted with the guest. */
async function createDisks(host: Host, folder: string, { image, dependencies, saved }: StartOptions): Promise<void> {
  const bases = { root: `${image}/root.img`, home: `${image}/home.qcow2`, xfs: `${image}/xfs.qcow2`, dependencies }
  for (const disk of disks) {
    const base = saved === undefined ? bases[disk] : `${saved}/${disk}.qcow2`
    const format = base.endsWith('.qcow2') ? 'qcow2' : 'raw'
    const words = [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-b',
      relative(folder, base),
      '-F',
      format,
      join(folder, `${disk}.qcow2`),
    ]
    await host.run([programOf(host, 'qemu-img'), ...words], { touches: 'files' })
  }
}

/** Starts QEMU in its own session, so that Ctrl-C in the developer's terminal does not reach it. Returns the process id. */
async function launch(program: string, words: readonly string[], folder: string): Promise<number> {
  const log = openSync(join(folder, 'qemu.log'), 'w')
  const child = spawn(program, words, { cwd: folder, detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.unref()
  let over = false
  child.once('error', () => (over = true)).once('exit', () => (over = true))
  // QEMU answers after it has opened its disks, its port and its sockets.
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(50)) {
    if (over) throw await startFailure(folder)
    const monitor = await openMonitor(folder).catch(() => undefined)
    await monitor?.[Symbol.asyncDispose]()
    if (monitor !== undefined) return child.pid ?? 0
  }
  child.kill('SIGKILL')
  throw new TestbedError('QEMU did not answer within a minute after its start')
}

async function startFailure(folder: string): Promise<TestbedError> {
  const said = await readFile(join(folder, 'qemu.log'), 'utf8').catch(() => '')
  return new TestbedError(`QEMU ended: ${tail(said) || 'it printed nothing'}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Waits until the guest's sshd sends its banner. A connection alone proves nothing, because QEMU accepts it long before that.
 *
 * @throws TestbedError with the end of QEMU's log when QEMU ends, or with the end of the guest's console after the timeout.
 */
export async function awaitSsh(
  guest: Guest,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
): Promise<void> {
  for (const until = Date.now() + options.timeout; Date.now() < until; await sleep(200)) {
    if (options.signal?.aborted === true) throw new TestbedError('Stopped waiting for the guest')
    if (await hasBanner(guest.port, Math.min(30_000, options.timeout))) return
    if (!isAlive(guest.pid)) throw await startFailure(guest.folder)
  }
  const said = await readFile(join(guest.folder, 'console.log'), 'utf8').catch(() => '')
  const last = tail(said) || 'it is empty'
  throw new TestbedError(
    `${guest.name} does not answer by ssh after ${options.timeout / 1000} s; the end of its console: ${last}`,
  )
}

/** Returns whether the guest's sshd sends its banner within the timeout, in milliseconds. */
export async function answers(guest: Guest, timeout = 60_000): Promise<boolean> {
  return isAlive(guest.pid) && (await hasBanner(guest.port, timeout))
}

function hasBanner(port: number, patience: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(patience, () => end(false))
    socket.once('data', (data) => end(data.toString().startsWith('SSH-2.0')))
    socket.once('close', () => end(false)).once('error', () => end(false))
  })
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Ends the guests of a release, or of every release, and deletes their folders. Returns their names. */
export async function stopGuests(paths: TestbedPaths, release?: string): Promise<readonly string[]> {
  const mine = ([name]: readonly [string, number]) => release === undefined || name.startsWith(`${release}/`)
  const processes = [...(await findGuestProcesses(paths.tag))].filter(mine)
  for (const guest of release === undefined ? [] : await findGuests(paths, release)) await closeConnection(guest)
  for (const [name, pid] of processes) await endGuest(paths.tag, name, pid)
  await rm(release === undefined ? paths.guests : join(paths.guests, release), { recursive: true, force: true })
  return processes.map(([name]) => name)
}

function signalGuest(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // ESRCH: the guest has just ended.
    if (errno(error) !== 'ESRCH') throw error
  }
}

async function endGuest(tag: string, name: string, pid: number): Promise<void> {
  const isStill = async () => (await findGuestProcesses(tag)).get(name) === pid
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!(await isStill())) return
    signalGuest(pid, signal)
    for (let turn = 0; turn < 150 && (await isStill()); turn++) await sleep(100)
  }
  if (await isStill()) throw new TestbedError(`Cannot end the guest ${name}: process ${pid} still runs after SIGKILL`)
}
