import { copyFile, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHost, type StartedProgram } from '@puppy/host'
import { identifyProcess, type ProcessIdentity } from '@puppy/host/process'
import type { Config } from '../config.ts'
import { cannotStart, StartError } from '@puppy/state'
import { placesOf } from '../places.ts'
import { endFirmly } from '../processes.ts'

/** A process of ours that is started again when it dies. */
export interface Supervised {
  /** Rejects with a StartError when it said that it cannot work at all. */
  readonly failed: Promise<never>
  stop(): Promise<void>
}

export interface SuperviseOptions {
  readonly name: 'api' | 'agent'
  readonly config: Config
  readonly env: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

const program = fileURLToPath(new URL('../cli.ts', import.meta.url))
const largestLog = 10 * 1024 * 1024

/** Starts `puppy NAME` in a session of its own, so that it outlives us, and again when it dies. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { name, config, env, signal } = options
  const host = createHost()
  const log = join(placesOf(config).logs, `${name}.log`)
  const pidFile = placesOf(config)[name]
  let current: ProcessIdentity | undefined
  const startOnce = async () => {
    const started = await host.start([process.execPath, program, name], { log, env })
    current = await identifyProcess(host, started.pid)
    await pidFile.write(started.pid)
    return started
  }
  const first = await startOnce()
  const failed = keep(options, first, startOnce, log)
  failed.catch(() => {})
  return {
    failed,
    stop: async () => {
      if (!signal.aborted) throw new Error('the signal comes first, or it would be started again')
      if (current !== undefined) await endFirmly(host, current, 15_000)
      await pidFile.remove()
    },
  }
}

async function keep(
  { name, signal }: SuperviseOptions,
  first: StartedProgram,
  startOnce: () => Promise<StartedProgram>,
  log: string,
): Promise<never> {
  let running = first
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) {
    const started = Date.now()
    const { exitCode } = await running.exited
    if (signal.aborted) return new Promise(() => {})
    if (exitCode === cannotStart) throw new StartError(await lastLine(log))
    if (Date.now() - started > 10_000) pause = 100
    console.warn(`The ${name} ended and is started again (see ${log})`)
    await sleep(pause, undefined, { signal }).catch(() => {})
    if (signal.aborted) return new Promise(() => {})
    running = await startOnce()
  }
}

async function lastLine(log: string): Promise<string> {
  return ((await createHost().read(log)) ?? '').trim().split('\n').at(-1) ?? ''
}

/** Keeps one copy of a log that has become too long and empties it; whoever appends to it goes on doing so. */
export async function shorten(log: string, largest = largestLog): Promise<boolean> {
  const status = await createHost().status(log)
  if (status?.kind !== 'file' || status.size <= largest) return false
  await copyFile(log, `${log}.1`)
  await truncate(log)
  return true
}
