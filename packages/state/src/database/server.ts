import { join } from 'node:path'
import { files } from '@puppy/host/lean'
import { readProcess, signalProcess } from '../processes.ts'

/** Reads the process id of the embedded server, by its own pid file, if that process really serves this cluster. */
export async function readServer(stateDir: string): Promise<number | undefined> {
  const data = join(stateDir, 'postgres', 'data')
  const text = await files.read(join(data, 'postmaster.pid')).catch(() => undefined)
  const pid = Number(text?.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  const process = await readProcess(pid)
  return process?.command.includes(data) === true ? pid : undefined
}

/** Ends the server; open transactions are rolled back. Returns false when none ran. */
export async function stopEmbedded(stateDir: string): Promise<boolean> {
  const pid = await readServer(stateDir)
  if (pid === undefined) return false
  // SIGINT is PostgreSQL's fast shutdown: clients are cut off, nothing is lost.
  return signalProcess(pid, 'SIGINT', { wait: 20_000 })
}
