import { spawn } from 'node:child_process'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { errno, HostError } from './errors.ts'
import { findProgram } from './find-program.ts'
import { endLeftovers } from './leftovers.ts'
import type { Lock, LockOptions } from './lock-options.ts'
import { holdFolder, resolveLinks } from './visible-lock.ts'

/** The locks of one host. */
export interface Locks {
  /** Takes a lock: `Host.lock`. */
  lock(path: string, options?: LockOptions): Promise<Lock>
  /** Returns the marks of all held locks. A program that changes something has them in its environment. */
  marks(): readonly string[]
  /** Records that a program was stopped before its end, so its own children may still run when the held locks are released. */
  programStopped(): void
}

interface Held {
  readonly file: FileHandle
  readonly mark: string
  /** Whether the next holder has to look for programs that still run. */
  mayLeaveSome: boolean
}

/**
 * Creates locks that use flock(2) on a descriptor of this process.
 *
 * The lock belongs to the open file description and not to a process: flock(1) takes the lock on our descriptor and exits, and the lock
 * stays held. No other program inherits the descriptor, so the kernel releases the lock when this process ends. So a crash leaves no stale
 * lock. A lock cannot be broken: holding it too long only delays another process, but two holders would write the same files at once.
 *
 * The file of a held lock has a mark, and the programs of the holder have it in their environment. A release empties the file. So a mark in
 * the file shows that the last holder was killed, and the next holder waits for its programs, or ends them, before it does anything.
 *
 * When the file is removed or replaced while others wait, a waiter takes the lock of the new file, so that two waiters never hold
 * different files.
 */
export function createLocks(locate: (path: string) => Promise<string>): Locks {
  const held = new Set<Held>()
  return {
    marks: () => [...held].map(({ mark }) => mark),
    programStopped: () => {
      for (const one of held) one.mayLeaveSome = true
    },
    lock: async (path, options = {}) => {
      const { visible = false, timeout = defaultTimeout, signal } = options
      if (signal?.aborted === true) throw gaveUp(path)
      const until = performance.now() + timeout
      const left = () => Math.max(0, until - performance.now())
      const located = await locate(path)
      const real = visible ? await resolveLinks(located) : located
      const file = await takeFlock(visible ? `${real}.flock` : real, real, left, options)
      try {
        await waitForLeftovers(file, real, left(), options)
        const one: Held = { file, mark: newMark(), mayLeaveSome: false }
        await writeHolder(one, options.purpose)
        const folder = visible ? await holdFolder(`${real}.lock`, left(), signal) : undefined
        held.add(one)
        return heldLock(path, folder?.lost, async () => {
          if (!held.delete(one)) return
          try {
            await folder?.release()
          } finally {
            await letGo(one)
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

/** Returns a text that no other lock on this machine has had since its start. */
function newMark(): string {
  return `${process.pid}.${process.hrtime.bigint()}`
}

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

/** How often a waiter begins again after its time is over, because the file was replaced. */
const lateAttempts = 3

/** Opens the file and takes its lock. Begins again, with the time that is left, when the file is no longer the one at the path. */
async function takeFlock(name: string, path: string, left: () => number, options: LockOptions): Promise<FileHandle> {
  for (let late = 0; ;) {
    const time = left()
    const file = await openLockFile(name)
    try {
      await waitForFlock(file, path, time, options)
      if (await isAt(file, name)) return file
      late += time < 1 ? 1 : 0
      if (late === lateAttempts) {
        const detail = 'another program replaces the lock file again and again'
        throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'lock', path, detail })
      }
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
  }
}

/** Returns whether an open file is the one at this path. */
async function isAt(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [ours, there] = await Promise.all([file.stat({ bigint: true }), stat(path, { bigint: true })])
    return ours.dev === there.dev && ours.ino === there.ino
  } catch (cause) {
    if (errno(cause) === 'ENOENT') return false
    throw new HostError('HOST_LOCK_FAILED', { operation: 'read the lock file', path, cause, detail: String(cause) })
  }
}

/** flock(1): `-n` tries once, `-w` waits for seconds. Exit code 1: another process holds the lock. */
async function waitForFlock(file: FileHandle, path: string, time: number, options: LockOptions): Promise<void> {
  const flock = findProgram('flock')
  if (flock === undefined) {
    const detail = 'the program flock is not installed; to enable it: apt-get install util-linux'
    throw new HostError('HOST_LOCK_FAILED', { operation: 'lock', path, detail })
  }
  const patience = time < 1 ? ['-n'] : ['-w', (time / 1000).toFixed(3)]
  const code = await runFlock(flock, ['-x', ...patience, '3'], file, path, options.signal)
  if (code === 0) return
  const last = /^(.{1,200}?), mark /.exec(await readHolder(file))?.[1] ?? 'an unknown process'
  const detail = `another process still holds the lock after ${options.timeout ?? defaultTimeout} ms; last taken by ${last}`
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

/** Waits until the programs of a holder that was killed have ended. */
async function waitForLeftovers(
  file: FileHandle,
  path: string,
  timeout: number,
  { signal, users }: LockOptions,
): Promise<void> {
  const mark = /, mark ([0-9.]{3,40})\n$/.exec(await readHolder(file))?.[1]
  if (mark === undefined) return
  const some = { timeout, ...(signal === undefined ? {} : { signal }), ...(users === undefined ? {} : { users }) }
  const pids = await endLeftovers(mark, some).catch((cause: unknown) => {
    throw signal?.aborted === true ? gaveUp(path) : cause
  })
  if (pids.length === 0) return
  const detail = `programs of the last holder, which was killed, still run after ${Math.round(timeout)} ms: process ${pids.join(', ')}`
  throw new HostError('HOST_LOCK_TIMEOUT', { operation: 'lock', path, detail })
}

async function readHolder(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1000), 0, 1000, 0)
  return buffer.toString('utf8', 0, bytesRead)
}

async function writeHolder({ file, mark }: Held, purpose = 'a process'): Promise<void> {
  await file.truncate(0)
  await file.appendFile(`${purpose}, process ${process.pid}, mark ${mark}\n`)
}

/** Empties the file, unless programs may be left, and releases flock(2) in any case. */
async function letGo({ file, mayLeaveSome }: Held): Promise<void> {
  try {
    if (!mayLeaveSome) await file.truncate(0)
  } finally {
    await file.close()
  }
}
