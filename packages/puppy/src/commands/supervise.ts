import { copyFile, lstat, truncate } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno } from '@puppy/host/errors'
import { machine, startProgram } from '@puppy/host/lean'
import { identifyProcess, openPidFile, type ProcessIdentity } from '@puppy/host/process'
import type { StartedProgram } from '@puppy/host'
import { cannotStart, StartError } from '@puppy/state/errors'
import { nodeCommand } from '../node-command.ts'
import { endFirmly } from '../processes.ts'
import type { Program } from './stages.ts'
import { warn } from '../say.ts'

/** A process that is started again when it ends. */
export interface Supervised {
  /** Rejects with a StartError when the process reports that it cannot start at all. */
  readonly failed: Promise<never>
  stop(): Promise<void>
}

const largestLog = 10 * 1024 * 1024

/** Starts `puppy NAME` in its own session, so that it outlives this process. Starts it again when it ends. */
export async function supervise(program: Program, signal: AbortSignal): Promise<Supervised> {
  const { name, env, log } = program
  const file = openPidFile(machine, program.pidFile)
  let current: ProcessIdentity | undefined
  const startOnce = async () => {
    const started = await startProgram(nodeCommand(name), { log, env })
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
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
    const started = Date.now()
    const { exitCode } = await running.exited
    if (signal.aborted) return new Promise(() => {})
    if (exitCode === cannotStart) throw new StartError(await lastLine(log))
    if (Date.now() - started > 10_000) pause = 100
    warn(`The ${name} process ended and is started again; see ${log}`)
    await sleep(pause, undefined, { signal }).catch(() => {})
    if (signal.aborted) return new Promise(() => {})
    running = await startOnce()
  }
}

async function lastLine(log: string): Promise<string> {
  return ((await machine.read(log)) ?? '').trim().split('\n').at(-1) ?? ''
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
