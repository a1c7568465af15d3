import { existsSync } from 'node:fs'
import { access, constants, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost, HostError, type Host, type Lock } from '@puppy/host'
import type { GuestDefinition } from '../definition/guest.ts'
import { findDefinition } from './definition.ts'
import { dependenciesId, ensureDependencies } from './dependencies.ts'
import { TestbedError } from './errors.ts'
import {
  answers,
  awaitSsh,
  findGuests,
  markReady,
  startGuest,
  stopGuests,
  type Guest,
  type StartOptions,
} from './guest.ts'
import type { BuildContext } from './build.ts'
import { ensureImage } from './image.ts'
import { ensureNeeds } from './needs.ts'
import type { TestbedPaths } from './paths.ts'
import type { Phases } from './phases.ts'
import { chooseAccelerator, privateAddress, type Accelerator } from './qemu.ts'
import { closeConnection, openConnection, runInGuest } from './ssh.ts'
import { goOn, saveState, setClock, stateFolder, type StateKey } from './state.ts'
import { syncCheckout } from './sync.ts'

/** What every command of the testbed needs. */
export interface Testbed {
  readonly paths: TestbedPaths
  readonly phases: Phases
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  /** Whether missing packages may be installed. */
  readonly install: boolean
}

/** Options of `up`. */
export interface UpOptions {
  readonly release?: string
  /** The number of guests. Several guests have a private network. */
  readonly hosts: number
  /** The loopback port for the sshd of the first guest. */
  readonly port?: number
  /** Whether to boot without a saved state and to save none. */
  readonly cold: boolean
}

const bootTimeout = 240_000
const resumeTimeout = 120_000

/** Throws when the running guests differ from the requested ones. @throws TestbedError */
function assertSame(running: readonly Guest[], { hosts, port }: UpOptions): void {
  if (running.length === hosts && (port === undefined || running[0]?.port === port)) return
  const what = running.map((guest) => `${guest.name} on port ${guest.port}`).join(', ')
  throw new TestbedError(`Other guests are already running (${what}); end them first: testbed down`)
}

/** Builds what is missing and starts the guests from a saved state or by a boot. Returns the running guests. @throws TestbedError */
export async function up(testbed: Testbed, options: UpOptions): Promise<readonly Guest[]> {
  const { paths, say, phases, signal } = testbed
  const definition = findDefinition(options.release)
  const host = createHost()
  await using _lock = await takeLock(testbed, host)
  await ensureNeeds(testbed)
  const running = await findGuests(paths, definition.release)
  if (running.length > 0 && running.every((guest) => guest.ready)) {
    assertSame(running, options)
    say(`${definition.release} is already running (${running.length}); for fresh disks, run: testbed reset`)
    return running
  }
  const { accelerator, reason } = await findAccelerator()
  say(reason)
  const context: BuildContext = { host, paths, accelerator, say, signal }
  const image = await phases.time('image', () => ensureImage(context, definition))
  const dependencies = await phases.time('dependencies', () => ensureDependencies(context))
  const key: StateKey = { definition, accelerator, image, dependencies }
  const saved = await stateFolder(paths, key)
  await stopGuests(paths, definition.release)
  try {
    return await startAll(testbed, host, key, saved, options)
  } catch (error) {
    await stopGuests(paths, definition.release)
    throw error
  }
}

async function startAll(
  testbed: Testbed,
  host: Host,
  key: StateKey,
  saved: string,
  options: UpOptions,
): Promise<readonly Guest[]> {
  const { phases, say } = testbed
  const { hosts, port } = options
  const start: Omit<StartOptions, 'number'> = { ...key, hosts, ...(port === undefined ? {} : { port }) }
  // Several guests must differ from the start (machine-id, address, name), and a second card does not fit a saved state.
  const alone = hosts === 1 && !options.cold
  if (alone && existsSync(saved)) {
    try {
      return [await resume(testbed, host, { ...start, number: 1, saved })]
    } catch (error) {
      if (!(error instanceof TestbedError) || testbed.signal.aborted) throw error
      say(`Cannot use the saved state, so the guest boots: ${error.message}`)
      await stopGuests(testbed.paths, key.definition.release)
      await rm(saved, { recursive: true })
    }
  }
  const { guests, settled } = await phases.time('boot', () => bootTwice(testbed, host, start))
  if (hosts > 1) await phases.time('network', () => joinNetwork(guests))
  const [guest] = guests
  if (!alone || guest === undefined || !settled) return Promise.all(guests.map(markReady))
  say('Saving the state of the booted machine, for the next starts')
  await phases.time('save', () => saveState(guest, saved))
  return [await resume(testbed, host, { ...start, number: 1, saved })]
}

interface Booted {
  readonly guests: readonly Guest[]
  /** Whether no unit has failed. */
  readonly settled: boolean
}

/** Boots, and once again from fresh disks when the first boot fails. Rarely, an emulated machine hangs. */
async function bootTwice(testbed: Testbed, host: Host, start: Omit<StartOptions, 'number'>): Promise<Booted> {
  try {
    return await boot(testbed, host, start)
  } catch (error) {
    if (!(error instanceof TestbedError) || testbed.signal.aborted) throw error
    testbed.say(`${error.message}; trying again`)
    await stopGuests(testbed.paths, start.definition.release)
    return boot(testbed, host, start)
  }
}

async function boot(testbed: Testbed, host: Host, start: Omit<StartOptions, 'number'>): Promise<Booted> {
  const guests: Guest[] = []
  for (let number = 1; number <= start.hosts; number++)
    guests.push(await startGuest(host, testbed.paths, numbered(start, number)))
  const calm = await Promise.all(guests.map((guest) => awaitReady(testbed, guest, start.hosts)))
  return { guests, settled: calm.every(Boolean) }
}

/** Returns the options for one guest. Only the first guest gets the requested port. */
function numbered({ port, ...start }: Omit<StartOptions, 'number'>, number: number): StartOptions {
  return { ...start, number, ...(port === undefined || number > 1 ? {} : { port }) }
}

async function resume({ phases, paths, signal }: Testbed, host: Host, options: StartOptions): Promise<Guest> {
  return phases.time('resume', async () => {
    const guest = await startGuest(host, paths, options)
    await goOn(guest)
    await awaitSsh(guest, { timeout: resumeTimeout, signal })
    await openConnection(guest)
    await setClock(guest)
    return markReady(guest)
  })
}

/** Waits until the boot has ended, because sshd answers before. Prints failed units. Returns whether no unit has failed. */
async function awaitReady({ say, signal }: Testbed, guest: Guest, hosts: number): Promise<boolean> {
  await awaitSsh(guest, { timeout: bootTimeout * hosts, signal })
  await openConnection(guest)
  await runInGuest(guest, 'mount /srv/dependencies')
  const state = (
    await runInGuest(guest, 'systemctl is-system-running --wait || true', { timeout: bootTimeout * hosts })
  ).trim()
  if (state === 'running') return true
  const failed = await runInGuest(guest, 'systemctl --failed --plain --no-legend')
  say(`${guest.name} is ${state}: ${failed.trim().replaceAll('\n', '; ') || 'no unit has failed'}`)
  return false
}

/** Sets the name of each guest, and its address on the card of the private network. */
async function joinNetwork(guests: readonly Guest[]): Promise<void> {
  await Promise.all(
    guests.map((guest, index) => {
      const number = index + 1
      const { mac, ip } = privateAddress(number)
      return runInGuest(
        guest,
        `card=$(grep -l ${mac} /sys/class/net/*/address | cut -d/ -f5)
hostnamectl hostname h${number}
ip address add ${ip}/24 dev "$card" && ip link set "$card" up`,
      )
    }),
  )
}

/** Copies the checkout into the guests. When the dependencies have changed, first starts fresh guests with a new disk. */
export async function sync(testbed: Testbed, options: UpOptions): Promise<readonly Guest[]> {
  const { paths, phases, say } = testbed
  const release = findDefinition(options.release).release
  let guests = await findGuests(paths, release)
  if (guests.length === 0) throw new TestbedError(`No guest is running; start it: testbed up --release ${release}`)
  const wanted = await dependenciesId(paths.checkout)
  if (guests.some((guest) => guest.dependencies !== `${wanted}.img`)) {
    say('The dependencies have changed: starting a fresh guest with them')
    await down(testbed, release)
    guests = await up(testbed, { ...options, hosts: guests.length })
  }
  await phases.time('sync', () => Promise.all(guests.map((guest) => syncCheckout(paths.checkout, guest))))
  return guests
}

/** Ends guests, which it finds by their processes. Returns their names. */
export async function down(testbed: Testbed, release?: string): Promise<readonly string[]> {
  const { paths, phases } = testbed
  await using _lock = await takeLock(testbed, createHost())
  return await phases.time('down', () => stopGuests(paths, release))
}

/** Restarts a guest and keeps its disks. Returns when the guest can be used again. @throws TestbedError */
export async function reboot(testbed: Testbed, guest: Guest): Promise<void> {
  await testbed.phases.time('reboot', async () => {
    const bootId = () => runInGuest(guest, 'cat /proc/sys/kernel/random/boot_id')
    const before = await bootId()
    // The connection may break before the command returns.
    await runInGuest(guest, 'systemctl reboot').catch(() => {})
    await closeConnection(guest)
    for (const until = Date.now() + bootTimeout; Date.now() < until; await sleep(500)) {
      await awaitSsh(guest, { timeout: bootTimeout, signal: testbed.signal })
      if ((await bootId().catch(() => before)) === before) continue
      await awaitReady(testbed, guest, 1)
      return
    }
    throw new TestbedError(`${guest.name} did not restart within ${bootTimeout / 1000} s`)
  })
}

/** Replaces the running guests by fresh ones. */
export async function reset(testbed: Testbed, options: UpOptions): Promise<readonly Guest[]> {
  const release = findDefinition(options.release).release
  const hosts = Math.max(1, (await findGuests(testbed.paths, release)).length)
  await down(testbed, release)
  return up(testbed, { ...options, hosts })
}

/** Takes the lock of the testbed: one command at a time builds, starts or ends guests. Waits for the other command. */
async function takeLock(testbed: Testbed, host: Host, path = testbed.paths.lock): Promise<Lock> {
  const { paths, say, signal } = testbed
  // Other users may enter the folder, because mmdebstrap may run as one, but they may not list it.
  await mkdir(paths.base, { recursive: true, mode: 0o711 })
  const purpose = `testbed ${process.argv.slice(2).join(' ')}`
  try {
    return await host.lock(path, { timeout: 0, purpose })
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'HOST_LOCK_TIMEOUT') throw error
    say(`Waiting for another command of the testbed (${error.facts.detail?.replace(/^.*last taken by /, '') ?? ''})`)
    return await host.lock(path, { timeout: 40 * 60_000, purpose, signal })
  }
}

/** Takes the lock of the guests of a release, because tests change them. Another command waits. */
export function takeGuests(testbed: Testbed, release: string): Promise<Lock> {
  return takeLock(testbed, createHost(), `${testbed.paths.lock}-${release}`)
}

async function findAccelerator(): Promise<{ readonly accelerator: Accelerator; readonly reason: string }> {
  const mayOpen = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8')
  const accelerator = chooseAccelerator(cpuinfo, mayOpen)
  if (accelerator === 'kvm') return { accelerator, reason: 'Using KVM' }
  const able = chooseAccelerator(cpuinfo, true) === 'kvm'
  const why = able
    ? '/dev/kvm is missing or cannot be opened; add your user to the group kvm'
    : 'this processor has neither vmx nor svm'
  return { accelerator, reason: `Using emulation: ${why}` }
}

/** Returns one line for each running guest. */
export async function status({ paths }: Testbed, definitions: readonly GuestDefinition[]): Promise<readonly string[]> {
  const lines: string[] = []
  for (const { release, version } of definitions) {
    for (const guest of await findGuests(paths, release)) {
      const state = (await answers(guest, 5000)) ? 'answers' : 'does not answer'
      lines.push(
        `${guest.name}: ${version}, process ${guest.pid}, ${guest.accelerator}, ssh on 127.0.0.1:${guest.port} ${state}; ${join(paths.guests, guest.name)}`,
      )
    }
  }
  return lines
}
