import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { once } from 'node:events'
import { hideEnd, showCommand } from './args.ts'
import type { Command, RunOptions, RunResult, StartedProgram, StartOptions } from './command.ts'
import { errno, HostError, type HostErrorFacts } from './errors.ts'
import { systemFolders } from './find-program.ts'
import { marksVariable } from './leftovers.ts'
import { runToEnd, type EndedRun } from './run-to-end.ts'

const baseEnvironment = { LC_ALL: 'C', PATH: systemFolders.join(':') }

/** What `runProgram` needs besides its options. */
export interface RunContext {
  readonly live: boolean
  /** Returns the marks of held locks, for the environment of a program that changes something. */
  readonly marks: () => readonly string[]
  /** Is called when such a program was stopped before its end. */
  readonly programStopped: () => void
}

/** Runs a program until it ends: `Host.run`. */
export async function runProgram(command: Command, options: RunOptions, context: RunContext): Promise<RunResult> {
  assertCommand(command)
  const attempt = {
    operation: `run ${basename(command[0])}`,
    shown: showCommand(command, options.secrets),
    options: { ...options, timeout: options.timeout ?? 30_000, maxOutput: options.maxOutput ?? 16 * 1024 * 1024 },
  }
  if (options.touches === 'machine' && !context.live) {
    const detail = 'it changes the machine, and this host is only a folder; plan the change, or use a host with root /'
    throw new HostError('HOST_NOT_LIVE', { operation: attempt.operation, command: attempt.shown, detail })
  }
  const [program, ...args] = command
  const { input, signal } = options
  const changes = options.touches !== 'nothing' && options.daemon !== true
  const marks = changes ? context.marks().join(',') : ''
  const ended = await runToEnd(program, args, {
    env: { ...baseEnvironment, ...options.env, ...(marks === '' ? {} : { [marksVariable]: marks }) },
    timeout: attempt.options.timeout,
    maxOutput: attempt.options.maxOutput,
    ...(input === undefined ? {} : { input }),
    ...(signal === undefined ? {} : { signal }),
  })
  if (changes && ended.stoppedBy !== undefined) context.programStopped()
  return judge(ended, attempt)
}

interface Attempt {
  readonly operation: string
  readonly shown: string
  readonly options: RunOptions & Required<Pick<RunOptions, 'timeout' | 'maxOutput'>>
}

/** Returns the output, or throws the error of a run that failed. */
function judge(ended: EndedRun, { operation, shown, options }: Attempt): RunResult {
  const { stdout, exitCode } = ended
  if (ended.stoppedBy === undefined && exitCode !== undefined && (options.accept ?? [0]).includes(exitCode))
    return { exitCode, stdout, stderr: ended.stderr }
  const facts = { operation, command: shown, stderr: hideEnd(ended.stderr, options.secrets ?? [], 2000) }
  if (ended.stoppedBy === 'abort') throw new HostError('HOST_ABORTED', { ...facts, detail: 'the caller aborted it' })
  if (ended.stoppedBy === 'timeout') {
    const detail = `the program did not end within ${options.timeout} ms and was terminated`
    throw new HostError('HOST_TIMEOUT', { ...facts, detail })
  }
  if (ended.stoppedBy === 'output') {
    const detail = `the program wrote more than ${options.maxOutput} bytes and was terminated`
    throw new HostError('HOST_OUTPUT_TOO_LARGE', { ...facts, stderr: '', detail })
  }
  if (ended.error !== undefined) throw notStarted(facts, ended.error)
  throw new HostError('HOST_PROGRAM_FAILED', {
    ...facts,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(ended.signal === undefined ? {} : { detail: `terminated by ${ended.signal}` }),
  })
}

/** Returns the error for a program that did not start. */
function notStarted(facts: HostErrorFacts, cause: unknown): HostError {
  const code = errno(cause)
  if (code === 'ENOENT' || code === 'EACCES') {
    const detail = 'the program does not exist, or this process may not execute it'
    return new HostError('HOST_PROGRAM_NOT_FOUND', { ...facts, detail, cause })
  }
  const detail = `it could not be started: ${code ?? String(cause)}`
  return new HostError('HOST_PROGRAM_FAILED', {
    ...facts,
    detail,
    cause,
    ...(code === undefined ? {} : { errno: code }),
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
      stdio: ['ignore', log.fd, log.fd, ...(options.descriptors ?? [])],
    })
    const exited = new Promise<Awaited<StartedProgram['exited']>>((resolve) => {
      child.once('exit', (code, signal) => resolve({ exitCode: code ?? undefined, signal: signal ?? undefined }))
    })
    await once(child, 'spawn')
    return { pid: child.pid as number, exited, forget: () => child.unref() }
  } catch (cause) {
    throw notStarted({ operation, command: showCommand(command) }, cause)
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
