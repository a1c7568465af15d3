import { spawn } from 'node:child_process'
import { open, type FileHandle } from 'node:fs/promises'
import { HostError } from './errors.ts'
import { findProgram } from './find-program.ts'

export interface LockOptions {
  /** Milliseconds to wait for another holder. Default 10,000; 0 tries once. */
  readonly timeout?: number
  readonly signal?: AbortSignal
  /** Who we are, shown to whoever waits for us. Default the process id alone. */
  readonly purpose?: string
}

/** A lock that we hold. Ending the process releases it too, once no program started under it is left. */
export interface Lock extends AsyncDisposable {
  readonly path: string
  /** Lets go; a second call does nothing. */
  release(): Promise<void>
}

export interface Locks {
  lock(path: string, options?: LockOptions): Promise<Lock>
  /** The descriptors of the locks held now. */
  descriptors(): readonly number[]
}

/**
 * Locks by flock(2) on a descriptor that programs inherit.
 *
 * The lock belongs to the open file description, not to a process: flock(1) takes it on our descriptor and exits, and
 * it stays ours. The kernel drops it with the last copy of the descriptor, so nothing is stale after a crash, and a
 * program that we started and that outlives us keeps the next holder waiting. Holding too long only delays somebody;
 * two holders would write the same files at once, so there is no way to break a lock.
 */
export function createLocks(locate: (path: string) => string): Locks {
  const held = new Set<FileHandle>()
  return {
    descriptors: () => [...held].map((file) => file.fd),
    lock: async (path, options = {}) => {
      const real = locate(path)
      const file = await openLockFile(real)
      try {
        await waitFor(file, real, options)
        await writeHolder(file, options.purpose)
      } catch (error) {
        await file.close()
        throw error
      }
      held.add(file)
      return heldLock(path, async () => {
        if (held.delete(file)) await file.close()
      })
    },
  }
}

function heldLock(path: string, release: () => Promise<void>): Lock {
  return Object.freeze({ path, release, [Symbol.asyncDispose]: release })
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600)
  } catch (cause) {
    throw new HostError('HOST_LOCK_FAILED', { operation: 'open the lock file', path, cause, detail: String(cause) })
  }
}

/** flock(1): `-n` tries once, `-w` waits for seconds; exit code 1 says that somebody else has it. */
async function waitFor(file: FileHandle, path: string, options: LockOptions): Promise<void> {
  const timeout = options.timeout ?? 10_000
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
    detail: `waited ${timeout} ms; last taken by ${holder === '' ? 'somebody who left no name' : holder}`,
  })
}

function runFlock(
  program: string,
  args: string[],
  file: FileHandle,
  path: string,
  signal?: AbortSignal,
): Promise<number> {
  return new Promise((settle, reject) => {
    const failed = (code: 'HOST_ABORTED' | 'HOST_LOCK_FAILED', detail: string, cause?: unknown) =>
      reject(new HostError(code, { operation: 'lock', path, detail, cause }))
    if (signal?.aborted === true) return failed('HOST_ABORTED', 'the caller gave up')
    const child = spawn(program, args, {
      cwd: '/',
      env: { LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
    })
    const abort = () => void child.kill('SIGKILL')
    signal?.addEventListener('abort', abort, { once: true })
    child.once('error', (cause) => failed('HOST_LOCK_FAILED', 'flock did not start', cause))
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', abort)
      if (signal?.aborted === true) return failed('HOST_ABORTED', 'the caller gave up')
      if (code === 0 || code === 1) return settle(code)
      return failed('HOST_LOCK_FAILED', `flock ended with ${code ?? killedBy}`)
    })
  })
}

async function writeHolder(file: FileHandle, purpose = 'a process'): Promise<void> {
  await file.truncate(0)
  await file.appendFile(`${purpose}, process ${process.pid}\n`)
}
