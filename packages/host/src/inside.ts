import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errno, HostError, writeFailed } from './errors.ts'

/**
 * Checks that the folder of a path is below the root after links are resolved. Without this check a link in a root folder
 * (`root/etc -> /etc`) would lead a write outside.
 *
 * @throws HostError `HOST_PATH_OUTSIDE_ROOT`, `HOST_WRITE_FAILED` when the root does not exist or a folder cannot be resolved
 */
export async function assertInside(root: string, path: string): Promise<void> {
  if (root === '/') return
  const home = await rootFolder(root, path)
  const parent = await nearestExisting(dirname(path)).catch((error: unknown) => {
    throw writeFailed('write', path, error)
  })
  if (parent === home || parent.startsWith(`${home}/`)) return
  const detail = `a symbolic link leads out of the root folder to ${parent}; remove the link`
  throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'write', path, detail })
}

async function rootFolder(root: string, path: string): Promise<string> {
  try {
    return await realpath(root)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw writeFailed('write', path, error)
    const detail = `the root folder ${root} does not exist; create it first`
    throw new HostError('HOST_WRITE_FAILED', { operation: 'write', path, detail, errno: 'ENOENT', cause: error })
  }
}

async function nearestExisting(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (error) {
    if (errno(error) !== 'ENOENT' || folder === '/') throw error
    return nearestExisting(dirname(folder))
  }
}
