import { join } from 'node:path'
import { machine } from '@puppy/host/lean'
import { endProcess, identifyProcess, type RunningProcess } from '@puppy/host/process'

/** Returns the process that serves this cluster. Reads the pid file, and checks that the process was started for this data folder. */
export async function readServer(stateDir: string): Promise<RunningProcess | undefined> {
  const data = join(stateDir, 'postgres', 'data')
  const text = await machine.read(join(data, 'postmaster.pid')).catch(() => undefined)
  const pid = Number(text?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  const process = await identifyProcess(machine, pid)
  return process?.command.includes(data) === true ? process : undefined
}

/** Stops the server. Open transactions are rolled back. Returns false if no server was running. */
export async function stopEmbedded(stateDir: string): Promise<boolean> {
  const server = await readServer(stateDir)
  if (server === undefined) return false
  // SIGINT is PostgreSQL's fast shutdown: it disconnects clients and loses no data.
  return endProcess(machine, server, 'SIGINT', { timeout: 20_000 })
}
