import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { once } from 'node:events'
import type { ExecaError } from 'execa'
import { hide, renderCommand } from './args.ts'
import type { Command, RunOptions, RunResult, StartedProgram, StartOptions } from './command.ts'
import { HostError } from './errors.ts'
import { systemFolders } from './find-program.ts'

const baseEnvironment = { LC_ALL: 'C', PATH: systemFolders.join(':') }

/** What `runProgram` needs besides its options. */
export interface RunContext {
  readonly live: boolean
  /** Returns the open descriptors that a program which changes something must inherit. */
  readonly heldDescriptors: () => readonly number[]
}

/** Runs a program until it ends: `Host.run`. */
export async function runProgram(command: Command, options: RunOptions, context: RunContext): Promise<RunResult> {
  assertCommand(command)
  const shown = renderCommand(command, options.secrets)
  const operation = `run ${basename(command[0])}`
  if (options.touches === 'machine' && !context.live) {
    const detail = 'it changes the machine, and this host is only a folder; plan the change, or use a host with root /'
    throw new HostError('HOST_NOT_LIVE', { operation, command: shown, detail })
  }
  const inherited = options.touches === 'nothing' || options.daemon === true ? [] : context.heldDescriptors()
  const [program, ...args] = command
  // execa takes half of the memory of this package. A process that never runs a program to its end does not load it.
  const { execa, ExecaError: Failure } = await import('execa')
  const result = await execa(program, args, {
    cwd: '/',
    env: { ...baseEnvironment, ...options.env },
    extendEnv: false,
    ...(options.input === undefined ? {} : { input: options.input }),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...asPassedOn(inherited)],
    stripFinalNewline: false,
    timeout: options.timeout ?? 30_000,
    maxBuffer: options.maxOutput ?? 16 * 1024 * 1024,
    forceKillAfterDelay: 2000,
    reject: false,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  })
  if (result instanceof Failure) return rejectFailure(result, { operation, shown, options })
  return { exitCode: 0, stdout: String(result.stdout), stderr: String(result.stderr) }
}

/** execa also passes on descriptors above 2, but its types allow options only for the first three. */
function asPassedOn(descriptors: readonly number[]): readonly 'inherit'[] {
  return descriptors as readonly unknown[] as readonly 'inherit'[]
}

interface Attempt {
  readonly operation: string
  readonly shown: string
  readonly options: RunOptions
}

function rejectFailure(failure: ExecaError, { operation, shown, options }: Attempt): RunResult {
  const stderr = hide(String(failure.stderr ?? ''), options.secrets ?? [])
  const facts = { operation, command: shown, stderr: stderr.trim().slice(-2000) }
  if (failure.isCanceled) throw new HostError('HOST_ABORTED', { ...facts, detail: 'the caller aborted it' })
  if (failure.timedOut) {
    throw new HostError('HOST_TIMEOUT', {
      ...facts,
      detail: `the program did not end within ${options.timeout ?? 30_000} ms and was terminated`,
    })
  }
  if (failure.isMaxBuffer) {
    const detail = `the program wrote more than ${options.maxOutput ?? 16 * 1024 * 1024} bytes and was terminated`
    throw new HostError('HOST_OUTPUT_TOO_LARGE', { ...facts, stderr: '', detail })
  }
  if (failure.code === 'ENOENT' || failure.code === 'EACCES') {
    throw new HostError('HOST_PROGRAM_NOT_FOUND', {
      ...facts,
      detail: 'the program does not exist, or this process may not execute it',
    })
  }
  if (failure.exitCode !== undefined && (options.accept ?? [0]).includes(failure.exitCode)) {
    return { exitCode: failure.exitCode, stdout: String(failure.stdout ?? ''), stderr: String(failure.stderr ?? '') }
  }
  throw new HostError('HOST_PROGRAM_FAILED', {
    ...facts,
    ...(failure.exitCode === undefined ? {} : { exitCode: failure.exitCode }),
    ...(failure.signal === undefined ? {} : { detail: `terminated by ${failure.signal}` }),
    cause: options.secrets === undefined ? failure : undefined,
  })
}

/** Starts a program that continues after this process ends: `Host.start`. */
export async function startProgram(command: Command, options: StartOptions): Promise<StartedProgram> {
  assertCommand(command)
  const operation = `start ${basename(command[0])}`
  const log = await open(options.log, 'a', 0o600).catch((cause: unknown) => {
    throw new HostError('HOST_WRITE_FAILED', {
      operation,
      path: options.log,
      detail: 'its log file cannot be opened',
      cause,
    })
  })
  try {
    const [program, ...args] = command
    const child = spawn(program, args, {
      cwd: '/',
      detached: true,
      env: { ...baseEnvironment, ...options.env },
      stdio: ['ignore', log.fd, log.fd],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    })
    const exited = new Promise<Awaited<StartedProgram['exited']>>((resolve) => {
      child.once('exit', (code, signal) => resolve({ exitCode: code ?? undefined, signal: signal ?? undefined }))
    })
    await once(child, 'spawn')
    return { pid: child.pid as number, exited, forget: () => child.unref() }
  } catch (cause) {
    throw new HostError('HOST_PROGRAM_NOT_FOUND', { operation, command: renderCommand(command), cause })
  } finally {
    await log.close()
  }
}

function assertCommand(command: Command): void {
  if (!command[0].startsWith('/')) {
    throw new TypeError(`The path of a program must be absolute, not ${JSON.stringify(command[0])}`)
  }
  const bad = command.find((word) => word.includes('\0'))
  if (bad !== undefined) throw new TypeError(`An argument must not contain a NUL: ${JSON.stringify(bad)}`)
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
