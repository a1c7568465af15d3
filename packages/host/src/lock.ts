import { spawn } from 'node:child_process'
import { open, type FileHandle } from 'node:fs/promises'
import { HostError } from './errors.ts'
import { findProgram } from './find-program.ts'
import { holdFolder, resolveLinks } from './visible-lock.ts'

/** Options of `Host.lock`. */
export interface LockOptions {
  /** Milliseconds to wait for another holder. Default 10,000; 0 tries once. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** Who holds the lock, for the message to a process that waits for it. Default: the process id alone. */
  readonly purpose?: string
  /**
   * Also holds the lock that the npm package proper-lockfile takes for the file at this path: the folder `PATH.lock`. Other Node programs
   * that lock the file so wait for us, and we wait for them. The file itself is neither opened nor written: flock(2) is taken on
   * `PATH.flock` beside it. Default false.
   */
  readonly visible?: boolean
}

/** A lock that we hold. Ending the process releases it too, once no program started under it is left. */
export interface Lock extends AsyncDisposable {
  readonly path: string
  /**
   * Aborted when another program has taken a visible lock away, with a `HostError` `HOST_LOCK_LOST` as its reason: it believed that we had
   * ended, because this process or the machine stood still for ten seconds. Never aborted otherwise. flock(2) is still held.
   */
  readonly lost: AbortSignal
  /** Releases the lock; a second call does nothing. */
  release(): Promise<void>
}

/** The locks of one host. */
export interface Locks {
  /** Takes a lock: `Host.lock`. */
  lock(path: string, options?: LockOptions): Promise<Lock>
  /** The descriptors of the locks held now. */
  descriptors(): readonly number[]
}

/**
 * Locks by flock(2) on a descriptor that programs inherit.
 *
 * The lock belongs to the open file description, not to a process: flock(1) takes it on our descriptor and exits, and
 * it stays ours. The kernel drops it with the last copy of the descriptor, so nothing is stale after a crash, and a
 * program that we started and that outlives us keeps the next holder waiting. Holding too long only delays another process;
 * two holders would write the same files at once, so a lock cannot be broken.
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
  return new HostError('HOST_ABORTED', { operation: 'lock', path, detail: 'the caller gave up' })
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

/** flock(1): `-n` tries once, `-w` waits for seconds; exit code 1 says that another process has it. */
async function waitForFlock(file: FileHandle, path: string, options: LockOptions): Promise<void> {
  const timeout = options.timeout ?? defaultTimeout
  const flock = findProgram('flock')
  if (flock === undefined) {
    throw new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail: 'flock is missing; install util-linux' })
  }
  const patience = timeout === 0 ? ['-n'] : ['-w', (timeout / 1000).toFixed(3)]
  const code = await runFlock(flock, ['-x', ...patience, '3'], file, path, options.signal)
  if (code === 0) return
  const holder = (await file.read(Buffer.alloc(200), 0, 200, 0)).buffer.toString('utf8').replaceAll('\0', '').trim()
  throw new HostError('HOST_LOCK_TIMEOUT', {
    operation: 'lock',
    path,
    detail: `waited ${timeout} ms; last taken by ${holder === '' ? 'a process that left no name' : holder}`,
  })
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
    child.once('error', (cause) => failed('flock did not start', cause))
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', abort)
      if (signal?.aborted === true) return reject(gaveUp(path))
      if (code === 0 || code === 1) return resolve(code)
      return failed(`flock ended with ${code ?? killedBy}`)
    })
  })
}

async function writeHolder(file: FileHandle, purpose = 'a process'): Promise<void> {
  await file.truncate(0)
  await file.appendFile(`${purpose}, process ${process.pid}\n`)
}
