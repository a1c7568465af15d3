import type { NftCommand } from './nft/table.ts'

/** From this many elements on, hiding `/etc/passwd` costs less than it saves. */
const enough = 32

/**
 * Returns whether a transaction has many elements. Pure. nft(8) takes the uid in an element for a login's name first, and the C library
 * reads `/etc/passwd` once for each. For 2,816 tenants with a login that takes 1.5 seconds, and the rest of the transaction 0.05.
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
