#!/usr/bin/env node
/** The `testbed` command. */
import { parseArgs } from 'node:util'
import { HostError } from '@puppy/host'
import { debianGuests } from '../definition/debian.ts'
import { findDefinition } from './definition.ts'
import { TestbedError } from './errors.ts'
import { answers, findGuest, findGuests, type Guest } from './guest.ts'
import { quote, runBenches, runLiveTests } from './live.ts'
import { createPaths } from './paths.ts'
import { createPhases } from './phases.ts'
import { attachToGuest } from './ssh.ts'
import { down, reboot, reset, status, sync, takeGuests, up, type Testbed, type UpOptions } from './testbed.ts'

const usage = `testbed: a disposable Debian host with SELinux enforcing, in QEMU

  up [--hosts N] [--port P] [--cold]   build what is missing, start a guest, wait for ssh
  ssh [--host N] [command …]           open a root shell in the guest, or run one command
  sync                                 copy the checkout to /srv/puppy in the guest
  test [--full] [part of a path …]     run the live tests in the guest
  bench [name …] [--json]              up, sync, then run the benchmarks in the guest
  reset                                replace the guest by a fresh one
  reboot                               restart the guest and keep its disks
  down [--all]                         end the guest and delete its disks
  status                               show the running guests
  check [--full] [part of a path …]    up, sync, test, down

  --release ${debianGuests.map((guest) => guest.release).join('|')}   the Debian release (default: the first)
  --cold                      boot without a saved state and save none
  --full                      include the long tests
  --all                       end the guests of every release`

interface Words {
  readonly command: string
  readonly rest: readonly string[]
  readonly up: UpOptions
  readonly host: number
  readonly full: boolean
  readonly all: boolean
  readonly json: boolean
}

/** Parses the arguments. Everything after the options of `ssh` belongs to the command in the guest, including options. */
function parseWords(argv: readonly string[]): Words {
  const options = {
    release: { type: 'string' },
    hosts: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    cold: { type: 'boolean' },
    full: { type: 'boolean' },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  } as const
  const [own, foreign] = splitSsh(argv)
  const { values, positionals } = parse(() => parseArgs({ args: [...own], options, allowPositionals: true }))
  const [command = 'help', ...rest] = positionals
  const { release } = findDefinition(values.release)
  const port = wholeNumber('--port', values.port, 1024, 65_535)
  return {
    command,
    rest: [...rest, ...foreign],
    up: {
      release,
      hosts: wholeNumber('--hosts', values.hosts, 1, 4) ?? 1,
      ...(port === undefined ? {} : { port }),
      cold: values.cold === true,
    },
    host: wholeNumber('--host', values.host, 1, 4) ?? 1,
    full: values.full === true,
    all: values.all === true,
    json: values.json === true,
  }
}

function splitSsh(argv: readonly string[]): readonly [readonly string[], readonly string[]] {
  if (argv[0] !== 'ssh') return [argv, []]
  let end = 1
  while (/^--(host|release)$/.test(argv[end] ?? '')) end += 2
  while (/^--(host|release)=/.test(argv[end] ?? '')) end += 1
  return [argv.slice(0, end), argv.slice(end)]
}

function parse<Value>(work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw new TestbedError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  }
}

function wholeNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new TestbedError(`${name} must be a whole number from ${least} to ${most}, not "${text}"`)
}

async function run(testbed: Testbed, words: Words): Promise<number> {
  const { say, paths } = testbed
  const { release = '' } = words.up
  switch (words.command) {
    case 'up':
    case 'reset': {
      const guests = await (words.command === 'up' ? up : reset)(testbed, words.up)
      for (const guest of guests) say(`${guest.name} is up: testbed ssh (127.0.0.1:${guest.port})`)
      break
    }
    case 'ssh': {
      const line =
        words.rest.length === 0 ? undefined : words.rest.length === 1 ? words.rest[0] : words.rest.map(quote).join(' ')
      return attachToGuest(await findGuest(paths, release, words.host), line, testbed.signal)
    }
    case 'sync': {
      await using _guests = await takeGuests(testbed, release)
      await sync(testbed, words.up)
      break
    }
    case 'test': {
      await using _guests = await takeGuests(testbed, release)
      const guest = await findGuest(paths, release, words.host)
      return (await testbed.phases.time('tests', () => runLiveTests(paths, guest, live(testbed, words)))) ? 0 : 1
    }
    case 'reboot': {
      await using _guests = await takeGuests(testbed, release)
      await reboot(testbed, await findGuest(paths, release, words.host))
      break
    }
    case 'bench': {
      await using _guests = await takeGuests(testbed, release)
      await up(testbed, words.up)
      const [guest] = await sync(testbed, words.up)
      if (guest === undefined) throw new TestbedError('No guest was started')
      return runBenches(guest, [...words.rest, ...(words.json ? ['--json'] : [])], testbed.signal)
    }
    case 'down':
      for (const name of await down(testbed, words.all ? undefined : release)) say(`Ended ${name}`)
      break
    case 'status': {
      const lines = await status(testbed, debianGuests)
      for (const line of lines.length === 0 ? ['No guest is running'] : lines) say(line)
      return 0
    }
    case 'check':
      return check(testbed, words)
    default:
      console.log(usage)
      return words.command === 'help' ? 0 : 64
  }
  say(`Done: ${testbed.phases.summary()}`)
  return 0
}

const live = (testbed: Testbed, words: Words) => ({
  only: words.rest,
  full: words.full,
  say: testbed.say,
  signal: testbed.signal,
  reboot: (guest: Guest) => reboot(testbed, guest),
})

/** Runs `up`, `sync` and `test`, then `down`. Keeps the guest running when one ran before. */
async function check(testbed: Testbed, words: Words): Promise<number> {
  const { phases, paths } = testbed
  const { release = '' } = words.up
  await using _guests = await takeGuests(testbed, release)
  const wasThere = (await findGuests(paths, release)).some((guest) => guest.ready)
  // CI starts a guest only once, so a saved state would never be used.
  const cold = words.up.cold || process.env['CI'] !== undefined
  const once = async () => {
    await up(testbed, { ...words.up, cold })
    const [guest] = await sync(testbed, { ...words.up, cold })
    if (guest === undefined) throw new TestbedError('No guest was started')
    const passed = await phases.time('tests', () => runLiveTests(paths, guest, live(testbed, words)))
    return { passed, guest }
  }
  try {
    const { passed, guest } = await once()
    if (passed || wasThere || (await answers(guest))) return passed ? 0 : 1
    testbed.say('UNSTABLE: the guest does not answer any more; running the tests again in a fresh one')
    await down(testbed, release)
    return (await once()).passed ? 0 : 1
  } finally {
    if (wasThere) testbed.say(`${release} was running before, so it keeps running`)
    else await down(testbed, release)
    testbed.say(`Phases: ${phases.summary()}`)
  }
}

/** Returns whether an error is one that the user can act on: an error of the testbed, of the host or of a system call. */
function isExpected(error: unknown): error is Error {
  return error instanceof TestbedError || error instanceof HostError || (error instanceof Error && 'syscall' in error)
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())
try {
  const testbed: Testbed = {
    paths: createPaths(),
    phases: createPhases(),
    say: (line) => console.log(line),
    signal: stop.signal,
    install: process.getuid?.() === 0 && process.env['PUPPY_NO_INSTALL'] !== '1',
  }
  process.exitCode = await run(testbed, parseWords(process.argv.slice(2)))
} catch (error) {
  if (!isExpected(error)) throw error
  console.error(error.message)
  process.exitCode = 1
}
