import { randomUUID } from 'node:crypto'
import {
  effectTimeout,
  HostError,
  requireTool,
  runOptions,
  runWithPasswd,
  type Command,
  type EffectOptions,
  type FacilityErrorFacts,
  type Host,
  type Reach,
  type RunOptions,
  type RunResult,
} from '@puppy/host'
import { FirewallError } from './errors.ts'
import { openFiles, type NftFiles } from './files.ts'
import { looksUpMany } from './looks-up-many.ts'
import { assertName, family, renderCommands } from './nft/render.ts'
import type { NftCommand } from './nft/table.ts'

export interface ProgramOptions {
  /** A network namespace of `ip netns`, instead of the one of this process. */
  readonly netns?: string
  /** nft(8) by absolute path. Default: the one in the system's folders. */
  readonly nft?: string
  /** The folder of the transaction while nft reads it, created with mode 0700. Default `/run/puppy-firewall`. */
  readonly folder?: string
}

/** nft(8) in one network namespace. */
export interface Program {
  /** Returns the words before nft's own arguments. @throws FirewallError `FIREWALL_NOT_INSTALLED` */
  command(): Command
  /** Reads the version. @throws FirewallError `FIREWALL_NOT_INSTALLED`, `FIREWALL_TIMEOUT`, `FIREWALL_UNREADABLE` */
  version(options?: EffectOptions): Promise<string>
  /** Lists the names of tables, which shows that the kernel has nf_tables. @throws FirewallError `FIREWALL_REFUSED` */
  tables(options?: EffectOptions): Promise<void>
  /** Returns nft's JSON of one table; undefined when it does not exist. No other table is read. */
  list(table: string, options?: EffectOptions): Promise<string | undefined>
  /**
   * Runs one transaction: the kernel takes all of it or nothing.
   *
   * @throws FirewallError `FIREWALL_REFUSED` naming the first command that the kernel does not take; nothing was changed then.
   *   `FIREWALL_TIMEOUT` when nft did not end: it is unknown whether the kernel took the transaction.
   */
  apply(operation: string, commands: readonly NftCommand[], options?: EffectOptions): Promise<void>
}

/** A listing of ten thousand tenants has 3 MB. */
const maxOutput = 64 * 1024 * 1024

/**
 * Opens nft(8).
 *
 * nft reads transactions from files: `nft -j -f -` opens `/dev/stdin` by its path, which fails when standard input is a socket,
 * and Node's pipes are sockets.
 */
export function openProgram(host: Host, { netns, nft, folder = '/run/puppy-firewall' }: ProgramOptions = {}): Program {
  const byFile = fileMaker(openFiles(host, folder))
  const words = () =>
    wordsOf(host, { ...(netns === undefined ? {} : { netns }), ...(nft === undefined ? {} : { nft }) })
  const command = (): Command => {
    const { prefix, program } = words()
    return [...prefix, program] as unknown as Command
  }
  const run = (operation: string, args: readonly string[], options: RunOptions) =>
    translate(operation, options, () => host.run([...command(), ...args], options))
  /** Has nft read a transaction, or check it when it may touch nothing. */
  const load = async (operation: string, file: string, commands: readonly NftCommand[], options: RunOptions) => {
    const args = [...(options.touches === 'nothing' ? ['-c'] : []), '-j', '-f', file]
    if (!looksUpMany(commands)) return run(operation, args, options)
    const { prefix, program } = words()
    const hidden = { passwd: '/dev/null', prefix, whenRefused: 'run' } as const
    return translate(operation, options, () => runWithPasswd(host, [program, ...args], hidden, options))
  }

  const program: Program = {
    command,
    version: async (options = {}) => {
      const { stdout } = await run('read the version of nft', ['--version'], bounded('nothing', options))
      const version = parseVersion(stdout)
      if (version !== undefined) return version
      const facts = { operation: 'read the version of nft', value: stdout, detail: 'the output has no version' }
      throw new FirewallError('FIREWALL_UNREADABLE', facts)
    },
    tables: async (options = {}) => {
      await run('list the tables', ['-j', 'list', 'tables', family], bounded('nothing', options))
    },
    list: async (table, options = {}) => {
      assertName('table', table)
      const args = ['-j', 'list', 'table', family, table]
      const asked = bounded('nothing', options, [0, 1])
      const { exitCode, stdout, stderr } = await run('list the table', args, asked)
      if (exitCode === 0) return stdout
      if (/No such file or directory/.test(stderr)) return undefined
      throw new FirewallError('FIREWALL_REFUSED', { operation: 'list the table', target: table, said: said(stderr) })
    },
    apply: async (operation, commands, options = {}) => {
      if (commands.length === 0) return
      const live = bounded('machine', options, [0, 1])
      const { exitCode, stderr } = await byFile(commands, (file) => load(operation, file, commands, live))
      if (exitCode === 0) return
      const culprit = await findRefused(commands, async (some) => {
        const check = bounded('nothing', options, [0, 1])
        const checked = await byFile(some, (file) => load('check', file, some, check))
        return checked.exitCode !== 0
      })
      throw new FirewallError('FIREWALL_REFUSED', {
        operation,
        ...(culprit === undefined ? {} : { value: JSON.stringify(culprit) }),
        detail: 'nothing was changed',
        said: said(stderr),
      })
    },
  }
  return Object.freeze(program)
}

/** Parses `nftables v1.0.6 (Lester Gooch #5)`. */
export function parseVersion(text: string): string | undefined {
  return /^nftables v(\d{1,5}(?:\.\d{1,5}){1,3})\b/.exec(text)?.[1]
}

/** Returns whether a version such as `1.0.6` is at least another. */
export function isAtLeast(version: string, least: string): boolean {
  const [one, other] = [version, least].map((text) => text.split('.').map(Number)) as [number[], number[]]
  const index = other.findIndex((part, at) => (one[at] ?? 0) !== part)
  return index < 0 || (one[index] ?? 0) > (other[index] ?? 0)
}

/** nft by absolute path, and the words before it that enter a network namespace. */
interface Words {
  readonly prefix: readonly string[]
  readonly program: string
}

function wordsOf(host: Host, { netns, nft }: ProgramOptions): Words {
  const program = nft ?? requireTool(host, 'nft', notInstalled)
  if (netns === undefined) return { prefix: [], program }
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/.test(netns)) {
    const facts = {
      operation: 'use the setting',
      target: 'netns',
      value: netns,
      detail: 'it is not the name of a network namespace',
    }
    throw new FirewallError('FIREWALL_INVALID', facts)
  }
  return { prefix: [requireTool(host, 'ip', notInstalled), 'netns', 'exec', netns], program }
}

function notInstalled(facts: FacilityErrorFacts): FirewallError {
  return new FirewallError('FIREWALL_NOT_INSTALLED', facts)
}

function bounded(touches: Reach, options: EffectOptions, accept: readonly number[] = [0]): RunOptions {
  return runOptions(touches, options, { maxOutput, accept })
}

/** Runs nft, and translates what the host throws. */
async function translate(operation: string, options: RunOptions, run: () => Promise<RunResult>): Promise<RunResult> {
  try {
    return await run()
  } catch (error) {
    throw error instanceof HostError ? translated(error, operation, options) : error
  }
}

function translated(cause: HostError, operation: string, { timeout = effectTimeout }: RunOptions): Error {
  const { code } = cause
  const facts = { operation, cause }
  if (code === 'HOST_TIMEOUT') {
    const detail = `${cause.facts.command ?? 'nft'} did not end in ${timeout} ms; read the table before trying again`
    return new FirewallError('FIREWALL_TIMEOUT', { ...facts, detail })
  }
  if (code === 'HOST_PROGRAM_NOT_FOUND') {
    return new FirewallError('FIREWALL_NOT_INSTALLED', { ...facts, detail: cause.message })
  }
  if (code === 'HOST_OUTPUT_TOO_LARGE') {
    return new FirewallError('FIREWALL_UNREADABLE', { ...facts, detail: `nft printed more than ${maxOutput} bytes` })
  }
  if (code !== 'HOST_PROGRAM_FAILED') return cause
  return new FirewallError('FIREWALL_REFUSED', { ...facts, said: said(cause.facts.stderr ?? '') })
}

function said(stderr: string): string {
  return stderr.trim().slice(-1000)
}

/**
 * Finds the first command that fails after those before it pass. nft reports only that something in the JSON failed, so the shortest
 * beginning that fails is searched by `nft -c`, which asks the kernel and changes nothing.
 */
async function findRefused(
  commands: readonly NftCommand[],
  fails: (commands: readonly NftCommand[]) => Promise<boolean>,
): Promise<NftCommand | undefined> {
  try {
    if (!(await fails(commands))) return undefined
    let [passing, failing] = [0, commands.length]
    while (failing - passing > 1) {
      const middle = Math.floor((passing + failing) / 2)
      if (await fails(commands.slice(0, middle))) failing = middle
      else passing = middle
    }
    return commands[failing - 1]
  } catch {
    // The caller gets the refusal itself, not the error of this search.
    return undefined
  }
}

type ByFile = (commands: readonly NftCommand[], use: (file: string) => Promise<RunResult>) => Promise<RunResult>

/** Gives a transaction a file of its own for as long as it is used. */
function fileMaker(store: NftFiles): ByFile {
  return async (commands, use) => {
    const name = `${process.pid}-${randomUUID()}.json`
    const file = await store.write(name, renderCommands(commands))
    try {
      return await use(file)
    } finally {
      await store.remove(name)
    }
  }
}
