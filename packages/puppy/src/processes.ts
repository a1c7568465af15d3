import type { Host } from '@puppy/host'
import { endProcess, type ProcessIdentity } from '@puppy/host/process'

/** Ends a process: sends SIGTERM, and sends SIGKILL if it still runs after `patience` milliseconds. */
export async function endFirmly(
  machine: Pick<Host, 'read' | 'signal'>,
  process: ProcessIdentity,
  patience: number,
): Promise<void> {
  if (await endProcess(machine, process, 'SIGTERM', { timeout: patience })) return
  await endProcess(machine, process, 'SIGKILL', { timeout: 5000 })
}
