import { constants } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import type { Command, RunOptions, RunResult } from './command.ts'
import { HostError } from './errors.ts'
import { findProgram } from './find-program.ts'
import { parseMountinfo, type Mount } from './proc/mountinfo.ts'

/** Opens a path without permission to read it, and without asking its file system. Node does not export it. @see open(2) */
const pathOnly = 0o10000000

/** Unmounts one mount of this machine: `Host.unmount`. */
export async function unmountExactly(
  mount: Mount,
  options: Pick<RunOptions, 'signal' | 'timeout'>,
  {
    live,
    run,
  }: { readonly live: boolean; readonly run: (command: Command, options: RunOptions) => Promise<RunResult> },
): Promise<boolean> {
  const operation = `unmount ${mount.mountPoint}`
  if (!live) {
    const detail = 'it changes the machine, and this host is only a folder; use a host with root /'
    throw new HostError('HOST_NOT_LIVE', { operation, detail })
  }
  const path = await findMountPoint(mount)
  if (path === undefined) return false
  const flags = pathOnly | constants.O_NOFOLLOW | constants.O_DIRECTORY
  const opened = await open(path, flags).catch(() => undefined)
  if (opened === undefined) return false
  try {
    if ((await readMountId(opened.fd)) !== mount.id) return false
    // The link of the descriptor leads to this mount, wherever the path leads meanwhile.
    const link = `/proc/${process.pid}/fd/${opened.fd}`
    const command = [findProgram('umount') ?? '/usr/bin/umount', '--no-canonicalize', '--lazy', '--', link] as const
    await run(command, { ...options, touches: 'machine' })
    return true
  } finally {
    await opened.close()
  }
}

/** Returns the bytes of the mount point of a mount that still exists. A path of a file system is bytes, and need not be UTF-8. */
async function findMountPoint({ id, parent, device }: Mount): Promise<Buffer | undefined> {
  const mounts = parseMountinfo((await readFile('/proc/self/mountinfo')).toString('latin1'))
  const found = mounts.find((mount) => mount.id === id && mount.parent === parent && mount.device === device)
  return found === undefined ? undefined : Buffer.from(found.mountPoint, 'latin1')
}

async function readMountId(descriptor: number): Promise<number> {
  const text = await readFile(`/proc/self/fdinfo/${descriptor}`, 'utf8')
  return Number(/\nmnt_id:\t(\d+)\n/.exec(text)?.[1])
}
