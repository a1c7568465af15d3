const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Returns why a text is no plain host name, or undefined when it is one.
 *
 * A plain host name is lower-case letters, digits and inner hyphens in labels of 1 to 63, at most 253 characters in
 * all, without a trailing dot, and its last label is not a number, which would make it an address. How many labels a
 * domain needs and which are taken is the caller's business.
 *
 * @see RFC 1123 section 2.1, RFC 1035 section 2.3.1
 */
export function findDomainFault(text: string): string | undefined {
  if (text.length > 253) return 'a host name has at most 253 characters'
  const labels = text.split('.')
  if (!labels.every((part) => label.test(part))) {
    return 'a host name is lower-case labels of letters, digits and inner hyphens, 1 to 63 each, without a trailing dot'
  }
  return /^[0-9]+$/.test(labels.at(-1) ?? '') ? 'a host name does not end in a number' : undefined
}
