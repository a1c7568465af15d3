import { statfs } from 'node:fs/promises'
import { createHost } from '../../packages/host/src/index.ts'
import { findMountOf, readMounts, type Mount } from '../../packages/host/src/proc/index.ts'

const memory = '/dev/shm'
const enough = 2 * 1024 ** 3

/**
 * Returns the folder for scratch files of tests: one in memory, or undefined where the system's own is to be used.
 *
 * ext4 searches for inodes that were not freed in the last five seconds whenever a file is created. A test makes and deletes hundreds of
 * files, most of them PostgreSQL's, so that this search took a quarter of all processor time.
 */
export async function scratchInMemory(): Promise<string | undefined> {
  const mount = findMountOf(await readMounts(createHost()), memory)
  const free = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return isUsable(mount, free) ? memory : undefined
}

/** Returns whether a mount is memory, can hold the programs that tests start, and has room. A container's has 64 MiB and `noexec`. */
export function isUsable(mount: Pick<Mount, 'fileSystem' | 'mountOptions'> | undefined, free: number): boolean {
  if (mount?.fileSystem !== 'tmpfs' || free < enough) return false
  return mount.mountOptions.includes('rw') && !mount.mountOptions.includes('noexec')
}
