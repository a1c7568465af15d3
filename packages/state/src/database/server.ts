import { join } from 'node:path'
import { machine } from '@puppy/host/lean'
import { endProcess, identifyProcess, type RunningProcess } from '@puppy/host/process'

/** Reads which process serves this cluster, by its own pid file, if it really is that. */
export async function readServer(stateDir: string): Promise<RunningProcess | undefined> {
  const data = join(stateDir, 'postgres', 'data')
  const text = await machine.read(join(data, 'postmaster.pid')).catch(() => undefined)
  const pid = Number(text?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  const process = await identifyProcess(machine, pid)
  return process?.command.includes(data) === true ? process : undefined
}

/** Ends the server; open transactions are rolled back. Returns false when none ran. */
export async function stopEmbedded(stateDir: string): Promise<boolean> {
  const server = await readServer(stateDir)
  if (server === undefined) return false
  // SIGINT is PostgreSQL's fast shutdown: clients are cut off, nothing is lost.
  return endProcess(machine, server, 'SIGINT', { timeout: 20_000 })
}
