import type { Host } from '@puppy/host'

/**
 * Returns whether a path can be passed to a program that follows links: on the machine itself always; below a root folder only when every
 * part of it is a real folder, because a link could lead out of that root.
 */
export async function isSafeFolder(host: Host, path: string): Promise<boolean> {
  const kind = (await host.status(path))?.kind
  if (host.live) return kind === 'folder' || kind === 'link'
  if (kind !== 'folder') return false
  const parent = path.slice(0, path.lastIndexOf('/'))
  return parent === '' || isSafeFolder(host, parent)
}
