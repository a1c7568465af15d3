/** The most keys of an account. */
export const mostKeys = 100
/** The most bytes of all keys of an account. Far below what `readLogins` reads of a file, so a file that was written can be read. */
export const mostKeyBytes = 256 * 1024

/**
 * Returns why keys together cannot be those of an account, as the end of a sentence that begins with the keys. Returns undefined when they
 * can. Accepts any value, such as one from a database. Checks only the shape and the size: `parseKey` checks each key. Pure.
 */
export function keysFault(keys: unknown): string | undefined {
  if (!Array.isArray(keys)) return 'are not a list'
  if (keys.length > mostKeys) return `are more than ${mostKeys}`
  let bytes = 0
  for (const [index, key] of (keys as readonly unknown[]).entries()) {
    if (typeof key !== 'string') return `contain something that is not a text, at position ${index + 1}`
    bytes += Buffer.byteLength(key)
  }
  return bytes > mostKeyBytes ? `have together more than ${mostKeyBytes} bytes` : undefined
}
