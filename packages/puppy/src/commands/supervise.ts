import { copyFile, lstat, truncate } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '@puppy/host/errors'
import { machine, startProgram } from '@puppy/host/lean'
import { identifyProcess, openPidFile, type ProcessIdentity } from '@puppy/host/process'
import type { StartedProgram } from '@puppy/host'
import { cannotStart, StartError, tryLater } from '@puppy/state/errors'
import { endFirmly } from '../processes.ts'
import type { Program } from './stages.ts'
import { warn } from '../say.ts'

/** A process that is started again when it ends. */
export interface Supervised {
  /** Rejects with a StartError when the process reports at its first start that it cannot start at all. */
  readonly failed: Promise<never>
  stop(): Promise<void>
}

const largestLog = 10 * 1024 * 1024
const longestPause = 5000

/**
 * Starts a program in its own session, so that it outlives this process. Starts it again when it ends. Each of its processes inherits the
 * descriptors.
 */
export async function supervise(
  program: Program,
  descriptors: readonly number[],
  signal: AbortSignal,
): Promise<Supervised> {
  const { command, env, log } = program
  const file = openPidFile(machine, program.pidFile)
  let current: ProcessIdentity | undefined
  const startOnce = async () => {
    const started = await startProgram(command, { log, env, descriptors })
    current = await identifyProcess(machine, started.pid)
    await file.write(started.pid)
    return started
  }
  const first = await startOnce()
  const failed = keep(program, signal, first, startOnce)
  failed.catch(() => {})
  return {
    failed,
    stop: async () => {
      if (!signal.aborted) throw new Error('Cannot stop a process that is still supervised; abort the signal first')
      if (current !== undefined) await endFirmly(machine, current, 15_000)
      await file.remove()
    },
  }
}

async function keep(
  { name, log }: Program,
  signal: AbortSignal,
  first: StartedProgram,
  startOnce: () => Promise<StartedProgram>,
): Promise<never> {
  let running = first
  for (let pause = 100; ; pause = Math.min(pause * 2, longestPause)) {
    const started = Date.now()
    const { exitCode } = await running.exited
    if (signal.aborted) return new Promise(() => {})
    // Later, the cause may be one that passes, and the other processes serve tenants meanwhile.
    if (exitCode === cannotStart && running === first) throw new StartError(await lastLine(log))
    if (Date.now() - started > 10_000) pause = 100
    const why = exitCode === cannotStart || exitCode === tryLater ? `: ${await lastLine(log)}` : ''
    warn(`The ${name} process ended and is started again; see ${log}${why}`)
    const again = await startAgain(name, signal, pause, startOnce)
    if (again === undefined) return new Promise(() => {})
    running = again
  }
}

/** Starts a process again after a pause. If it cannot be started, as on a full disk, tries again. Undefined when the signal aborts first. */
async function startAgain(
  name: string,
  signal: AbortSignal,
  first: number,
  startOnce: () => Promise<StartedProgram>,
): Promise<StartedProgram | undefined> {
  for (let pause = first; ; pause = Math.min(pause * 2, longestPause)) {
    await sleep(pause, undefined, { signal }).catch(() => {})
    if (signal.aborted) return undefined
    try {
      return await startOnce()
    } catch (error) {
      warn(`The ${name} process cannot be started, and is tried again: ${messageOf(error)}`)
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * Does work every few milliseconds until the signal aborts. Does not resolve before. A failure is printed, and the work is done again after
 * a longer and longer pause: it must not end the processes that serve tenants.
 */
export async function keepDoing(
  what: string,
  milliseconds: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  let pause = milliseconds
  while (!signal.aborted) {
    await sleep(pause, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    try {
      await work()
      pause = milliseconds
    } catch (error) {
      warn(`Cannot ${what}, and will try again: ${messageOf(error)}`)
      pause = Math.min(Math.max(pause * 2, milliseconds), Math.max(longestPause, milliseconds))
    }
  }
}

async function lastLine(log: string): Promise<string> {
  const text = await machine.read(log).catch(() => undefined)
  return (text ?? '').trim().split('\n').at(-1) ?? ''
}

/** Copies a log of more than `largest` bytes to `LOG.1` and empties it. Programs that append to it continue. Returns whether it did. */
export async function shorten(log: string, largest = largestLog): Promise<boolean> {
  const status = await lstat(log).catch((error: unknown) => {
    if (errno(error) !== 'ENOENT') throw error
  })
  if (status?.isFile() !== true || status.size <= largest) return false
  await copyFile(log, `${log}.1`)
  await truncate(log)
  return true
}
