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
  /** The name of a network namespace of `ip netns`. Default: the namespace of this process. */
  readonly netns?: string
  /** The absolute path of nft(8). Default: the nft in the system's folders. */
  readonly nft?: string
  /** The folder of the file from which nft reads a transaction, created with mode 0700. Default `/run/puppy-firewall`. */
  readonly folder?: string
}

/** nft(8) in one network namespace. */
export interface Program {
  /** Returns the command without the arguments of nft. @throws FirewallError `FIREWALL_NOT_INSTALLED` */
  command(): Command
  /** Reads the version. @throws FirewallError `FIREWALL_NOT_INSTALLED`, `FIREWALL_TIMEOUT`, `FIREWALL_UNREADABLE` */
  version(options?: EffectOptions): Promise<string>
  /** Lists the names of tables, to check that the kernel has nf_tables. @throws FirewallError `FIREWALL_REFUSED` */
  tables(options?: EffectOptions): Promise<void>
  /** Returns the JSON listing of one table, or undefined when the table does not exist. Reads no other table. */
  list(table: string, options?: EffectOptions): Promise<string | undefined>
  /**
   * Runs one transaction. The kernel applies all of its commands or none.
   *
   * @throws FirewallError `FIREWALL_REFUSED` with the first command that was refused; nothing was changed. `FIREWALL_TIMEOUT` when nft
   *   did not end in time; it is unknown whether the kernel applied the transaction.
   */
  apply(operation: string, commands: readonly NftCommand[], options?: EffectOptions): Promise<void>
}

/** In bytes. A listing of ten thousand tenants has 3 MB. */
const maxOutput = 64 * 1024 * 1024

/**
 * Opens nft(8).
 *
 * Transactions are passed to nft in files. `nft -j -f -` opens `/dev/stdin` by its path, which fails when standard input is a socket, and
 * Node's pipes are sockets.
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
  /** Runs nft with a transaction. Only checks the transaction when `touches` is `nothing`. */
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
      const facts = {
        operation: 'read the version of nft',
        value: stdout,
        detail: 'the output contains no version of nftables',
      }
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
        detail: 'the transaction was refused and nothing was changed',
        said: said(stderr),
      })
    },
  }
  return Object.freeze(program)
}

/** Parses a version from text such as `nftables v1.0.6 (Lester Gooch #5)`. Returns undefined for any other text. */
export function parseVersion(text: string): string | undefined {
  return /^nftables v(\d{1,5}(?:\.\d{1,5}){1,3})\b/.exec(text)?.[1]
}

/** Returns whether a version such as `1.0.6` is at least another one. */
export function isAtLeast(version: string, least: string): boolean {
  const [one, other] = [version, least].map((text) => text.split('.').map(Number)) as [number[], number[]]
  const index = other.findIndex((part, at) => (one[at] ?? 0) !== part)
  return index < 0 || (one[index] ?? 0) > (other[index] ?? 0)
}

/** The absolute path of nft, and the words before it that enter a network namespace. */
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
      detail: 'the value is not a valid name of a network namespace; "ip netns list" shows the names',
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

/** Runs nft and converts errors of the host. */
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
    const detail = `${cause.facts.command ?? 'nft'} did not end in ${timeout} ms; read the table before you try again`
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
 * Finds the first command that nft or the kernel refuses. nft reports only that something in the JSON failed. Therefore this function
 * searches for the shortest prefix of the commands that fails, with `nft -c`, which asks the kernel and changes nothing.
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
    // The caller must report the refusal itself, not an error of this search.
    return undefined
  }
}

type ByFile = (commands: readonly NftCommand[], use: (file: string) => Promise<RunResult>) => Promise<RunResult>

/** Writes each transaction to its own file, and removes the file after use. */
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
