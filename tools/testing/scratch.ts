import { statfs } from 'node:fs/promises'
import { createHost } from '../../packages/host/src/index.ts'
import { findMountOf, readMounts, type Mount } from '../../packages/host/src/proc/index.ts'

const memory = '/dev/shm'
const enough = 2 * 1024 ** 3

/**
 * Returns a folder in memory for the scratch files of tests, or undefined to use the system's own.
 *
 * Whenever a file is created, ext4 searches for an inode that was not freed in the last five seconds. A test creates and deletes hundreds
 * of files, most of them of PostgreSQL, so this search took a quarter of all processor time.
 */
export async function scratchInMemory(): Promise<string | undefined> {
  const mount = findMountOf(await readMounts(createHost()), memory)
  const free = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return isUsable(mount, free) ? memory : undefined
}

/** Returns whether a mount is in memory, allows programs and has enough space. In a container it has 64 MiB and `noexec`. Pure. */
export function isUsable(mount: Pick<Mount, 'fileSystem' | 'mountOptions'> | undefined, free: number): boolean {
  if (mount?.fileSystem !== 'tmpfs' || free < enough) return false
  return mount.mountOptions.includes('rw') && !mount.mountOptions.includes('noexec')
}
