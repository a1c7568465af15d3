import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errno, HostError } from './errors.ts'

/**
 * Asserts that the folder of a path is below the root, links followed: a link in a scratch root (`root/etc -> /etc`) must not lead a write out.
 *
 * @throws HostError `HOST_PATH_OUTSIDE_ROOT`
 */
export async function assertInside(root: string, path: string): Promise<void> {
  if (root === '/') return
  const [home, parent] = await Promise.all([realpath(root), nearestExisting(dirname(path))])
  if (parent === home || parent.startsWith(`${home}/`)) return
  throw new HostError('HOST_PATH_OUTSIDE_ROOT', { operation: 'write', path, detail: `a link leads to ${parent}` })
}

async function nearestExisting(folder: string): Promise<string> {
  try {
    return await realpath(folder)
  } catch (error) {
    if (errno(error) !== 'ENOENT' || folder === '/') throw error
    return nearestExisting(dirname(folder))
  }
}
