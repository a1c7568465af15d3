import type { Host } from '@puppy/host'

/**
 * Returns whether a path may be passed to a program that follows links. On a live host every folder or link may be passed. Below a root
 * folder every part of the path must be a real folder, because a link could lead out of the root.
 */
export async function isSafeFolder(host: Host, path: string): Promise<boolean> {
  const kind = (await host.status(path))?.kind
  if (host.live) return kind === 'folder' || kind === 'link'
  if (kind !== 'folder') return false
  const parent = path.slice(0, path.lastIndexOf('/'))
  return parent === '' || isSafeFolder(host, parent)
}
