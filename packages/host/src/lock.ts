import { spawn } from 'node:child_process'
import { open, type FileHandle } from 'node:fs/promises'
import { HostError } from './errors.ts'
import { findProgram } from './find-program.ts'
import { holdFolder, resolveLinks } from './visible-lock.ts'

/** Options of `Host.lock`. */
export interface LockOptions {
  /** Milliseconds to wait for another holder. Default 10,000. 0 tries once. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** The purpose of the lock, for the error message of a process that waited too long. Default: only the process id. */
  readonly purpose?: string
  /**
   * Also takes the lock that the npm package proper-lockfile takes for the file at this path: the folder `PATH.lock`. So this process and
   * other Node programs that use proper-lockfile wait for each other. The file itself is neither opened nor written: flock(2) is taken on
   * `PATH.flock` beside it. Default false.
   */
  readonly visible?: boolean
}

/** A held lock. It is also released when this process and every program that inherited it have ended. */
export interface Lock extends AsyncDisposable {
  readonly path: string
  /**
   * Aborted with a `HostError` `HOST_LOCK_LOST` when another program has taken a visible lock. That program assumed that this process had
   * ended, because this process or the machine was stopped for ten seconds. flock(2) is still held. Never aborted for another reason.
   */
  readonly lost: AbortSignal
  /** Releases the lock. Idempotent. */
  release(): Promise<void>
}

/** The locks of one host. */
export interface Locks {
  /** Takes a lock: `Host.lock`. */
  lock(path: string, options?: LockOptions): Promise<Lock>
  /** Returns the descriptors of all held locks. */
  descriptors(): readonly number[]
}

/**
 * Creates locks that use flock(2) on a descriptor which started programs inherit.
 *
 * The lock belongs to the open file description and not to a process: flock(1) takes the lock on our descriptor and exits, and the lock
 * stays held. The kernel releases it with the last copy of the descriptor. So a crash leaves no stale lock, and a program that outlives
 * this process keeps the lock until it ends. A lock cannot be broken: holding it too long only delays another process, but two holders
 * would write the same files at once.
 */
export function createLocks(locate: (path: string) => Promise<string>): Locks {
  const held = new Set<FileHandle>()
  return {
    descriptors: () => [...held].map((file) => file.fd),
    lock: async (path, options = {}) => {
      const { visible = false, timeout = defaultTimeout, signal } = options
      if (signal?.aborted === true) throw gaveUp(path)
      const until = performance.now() + timeout
      const located = await locate(path)
      const real = visible ? await resolveLinks(located) : located
      const file = await openLockFile(visible ? `${real}.flock` : real)
      try {
        await waitForFlock(file, real, options)
        await writeHolder(file, options.purpose)
        const left = Math.max(0, until - performance.now())
        const folder = visible ? await holdFolder(`${real}.lock`, left, signal) : undefined
        held.add(file)
        return heldLock(path, folder?.lost, async () => {
          if (!held.delete(file)) return
          try {
            await folder?.release()
          } finally {
            await file.close()
          }
        })
      } catch (error) {
        await file.close()
        throw error
      }
    },
  }
}

const defaultTimeout = 10_000

function gaveUp(path: string): HostError {
  return new HostError('HOST_ABORTED', { operation: 'lock', path, detail: 'the caller aborted it' })
}

function heldLock(path: string, lost: AbortSignal | undefined, release: () => Promise<void>): Lock {
  return Object.freeze({
    path,
    lost: lost ?? new AbortController().signal,
    release,
    [Symbol.asyncDispose]: release,
  })
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600)
  } catch (cause) {
    throw new HostError('HOST_LOCK_FAILED', { operation: 'open the lock file', path, cause, detail: String(cause) })
  }
}

/** flock(1): `-n` tries once, `-w` waits for seconds. Exit code 1: another process holds the lock. */
async function waitForFlock(file: FileHandle, path: string, options: LockOptions): Promise<void> {
  const timeout = options.timeout ?? defaultTimeout
  const flock = findProgram('flock')
  if (flock === undefined) {
    const detail = 'the program flock is not installed; to enable it: apt-get install util-linux'
    throw new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail })
  }
  const patience = timeout === 0 ? ['-n'] : ['-w', (timeout / 1000).toFixed(3)]
  const code = await runFlock(flock, ['-x', ...patience, '3'], file, path, options.signal)
  if (code === 0) return
  const holder = (await file.read(Buffer.alloc(200), 0, 200, 0)).buffer.toString('utf8').replaceAll('\0', '').trim()
  const last = holder === '' ? 'an unknown process' : holder
  const detail = `another process still holds the lock after ${timeout} ms; last taken by ${last}`
  throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'lock', path, detail })
}

function runFlock(
  program: string,
  args: string[],
  file: FileHandle,
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (detail: string, cause?: unknown) =>
      reject(new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail, cause }))
    if (signal?.aborted === true) return reject(gaveUp(path))
    const child = spawn(program, args, {
      cwd: '/',
      env: { LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
    })
    const abort = () => void child.kill('SIGKILL')
    signal?.addEventListener('abort', abort, { once: true })
    child.once('error', (cause) => failed('the program flock did not start', cause))
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', abort)
      if (signal?.aborted === true) return reject(gaveUp(path))
      if (code === 0 || code === 1) return resolve(code)
      return failed(`the program flock failed with ${code ?? killedBy}`)
    })
  })
}

async function writeHolder(file: FileHandle, purpose = 'a process'): Promise<void> {
  await file.truncate(0)
  await file.appendFile(`${purpose}, process ${process.pid}\n`)
}
