import type { NftCommand } from './nft/table.ts'

/** With at least this many elements, hiding `/etc/passwd` saves more time than it costs. */
const enough = 32

/**
 * Returns whether a transaction has so many elements that `/etc/passwd` should be hidden from nft. Pure.
 *
 * nft(8) first tries the uid in an element as a login name, and the C library reads `/etc/passwd` once for each. For 2,816 tenants with a
 * login this takes 1.5 seconds of a transaction of 1.6 seconds.
 */
export function looksUpMany(commands: readonly NftCommand[]): boolean {
  let count = 0
  for (const { add } of commands) {
    const { elem } = (add?.['element'] ?? {}) as { readonly elem?: readonly unknown[] }
    count += elem?.length ?? 0
    if (count >= enough) return true
  }
  return false
}
