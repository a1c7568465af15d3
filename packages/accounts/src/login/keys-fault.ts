/** The limits of the keys of one account. Lengths are in bytes. */
export const keyLimits = Object.freeze({
  /** Of one line. sshd accepts at most 16 KiB, and the largest RSA key that it accepts needs 3 KiB. */
  line: 16 * 1024,
  comment: 1024,
  /** The number of keys. */
  keys: 100,
  /**
   * Of all lines together: enough for a hundred RSA keys of 8,192 bits. Far below what `readLogins` reads of a file, so a file that was written
   * can be read.
   */
  sum: 160 * 1024,
})

/**
 * Returns why keys together cannot be those of an account, as the end of a sentence that begins with the keys. Returns undefined when they
 * can. Accepts any value, such as one from a database. Checks only the shape and the size: `parseKey` checks each key. Pure.
 */
export function keysFault(keys: unknown): string | undefined {
  if (!Array.isArray(keys)) return 'are not a list'
  if (keys.length > keyLimits.keys) return `are more than ${keyLimits.keys}`
  let bytes = 0
  for (const [index, key] of (keys as readonly unknown[]).entries()) {
    if (typeof key !== 'string') return `contain something that is not a text, at position ${index + 1}`
    bytes += Buffer.byteLength(key)
  }
  return bytes > keyLimits.sum ? `have together more than ${keyLimits.sum} bytes` : undefined
}
