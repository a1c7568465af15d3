import { files } from '@puppy/host/lean'
import { readProcess, type ProcessIdentity } from '@puppy/state/processes'

/** A pid file of ours: the number and the start of a process, so a stale one is known as such. */
export function pidFile(path: string) {
  return {
    path,
    /** The process that the file names, if it still runs. */
    async read(): Promise<ProcessIdentity | undefined> {
      const [pid, started] = (await files.read(path))?.trim().split(' ').map(Number) ?? []
      if (pid === undefined || !Number.isInteger(pid) || pid <= 1) return undefined
      const found = await readProcess(pid)
      return found?.started === started ? found : undefined
    },
    async write(pid: number): Promise<void> {
      const identity = await readProcess(pid)
      if (identity !== undefined) await files.replace(path, `${pid} ${identity.started}\n`, { mode: 0o644 })
    },
    async remove(): Promise<void> {
      await files.remove(path)
    },
  }
}
