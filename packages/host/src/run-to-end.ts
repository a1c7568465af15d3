import { spawn, type ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/** How to run a program to its end. */
export interface RunToEnd {
  readonly env: Readonly<Record<string, string>>
  /** Standard input. Absent: closed. */
  readonly input?: string
  /** Milliseconds. */
  readonly timeout: number
  /** The most bytes of stdout, and of stderr. */
  readonly maxOutput: number
  readonly signal?: AbortSignal
}

/** How a run ended. */
export interface EndedRun {
  readonly stdout: string
  readonly stderr: string
  /** Absent: a signal ended the program, it could not be started, or it has not ended after SIGKILL. */
  readonly exitCode?: number
  readonly signal?: NodeJS.Signals
  /** Why this process stopped the program. Absent: the program ended by itself. */
  readonly stoppedBy?: StopReason
  /** Why the program could not be started. */
  readonly error?: unknown
}

type StopReason = 'abort' | 'timeout' | 'output'

/** Milliseconds from SIGTERM to SIGKILL. */
const termination = 500
/** Milliseconds from SIGTERM until the run ends without the program. It hangs in the kernel, for example in a dead network file system. */
const surrender = 800
/** Milliseconds for which output is read after the program has ended. What the program wrote is in the pipes by then. */
const drain = 100

/**
 * Runs a program until it ends. Never rejects.
 *
 * The run ends when the program ends, or when the time is over, whatever happens to the pipes: another process may hold them open much longer.
 * Therefore the streams are destroyed shortly after the end of the program. A program that does not end at SIGTERM, because it is
 * stopped or ignores the signal, receives SIGKILL. In every case the result is there within `timeout` and one second.
 *
 * @see pipe(7), kill(2)
 */
export async function runToEnd(program: string, args: readonly string[], options: RunToEnd): Promise<EndedRun> {
  if (options.signal?.aborted === true) return { stdout: '', stderr: '', stoppedBy: 'abort' }
  let child: ChildProcess
  try {
    child = spawn(program, args, {
      cwd: '/',
      env: { ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
  } catch (error) {
    // Node throws for the errors that it does not report by an event, such as E2BIG.
    return { stdout: '', stderr: '', error }
  }
  return new Promise((resolve) => follow(child, options, resolve))
}

function follow(child: ChildProcess, options: RunToEnd, resolve: (ended: EndedRun) => void): void {
  const timers: NodeJS.Timeout[] = []
  const after = (milliseconds: number, act: () => void) => void timers.push(setTimeout(act, milliseconds))
  let stoppedBy: StopReason | undefined
  let result: Pick<EndedRun, 'exitCode' | 'signal' | 'error'> | undefined
  let settled = false

  const settle = () => {
    if (settled) return
    settled = true
    for (const timer of timers) clearTimeout(timer)
    options.signal?.removeEventListener('abort', abort)
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy()
    child.unref()
    const output = { stdout: stdout.text(), stderr: stderr.text() }
    resolve({ ...output, ...result, ...(stoppedBy === undefined ? {} : { stoppedBy }) })
  }
  const stop = (reason: StopReason) => {
    if (stoppedBy !== undefined || result !== undefined) return
    stoppedBy = reason
    child.kill('SIGTERM')
    after(termination, () => child.kill('SIGKILL'))
    after(surrender, settle)
  }
  const abort = () => stop('abort')
  const stdout = collect(child.stdout, options.maxOutput, () => stop('output'))
  const stderr = collect(child.stderr, options.maxOutput, () => stop('output'))

  child.once('error', (error) => {
    // The same event reports that a signal could not be sent. Only a program that was never started has no pid.
    if (child.pid !== undefined) return
    result = { error }
    settle()
  })
  child.once('exit', (exitCode, signal) => {
    result = { ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) }
    // A timer that fires late fires before input is read. One more turn of the event loop reads what is in the pipes.
    after(drain, () => setImmediate(settle))
  })
  child.once('close', settle)
  // The program may end before it has read its input.
  child.stdin?.on('error', () => {})
  child.stdin?.end(options.input)
  options.signal?.addEventListener('abort', abort, { once: true })
  // If this process was busy, the program may have ended in time. The event is read before the immediate runs.
  after(options.timeout, () => setImmediate(() => stop('timeout')))
}

/** Collects at most `most` bytes of a stream, and calls `overflow` when it has more. */
function collect(stream: Readable | null, most: number, overflow: () => void): { readonly text: () => string } {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('error', () => {})
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= most) chunks.push(chunk)
    else {
      stream.destroy()
      overflow()
    }
  })
  return { text: () => Buffer.concat(chunks).toString('utf8') }
}
