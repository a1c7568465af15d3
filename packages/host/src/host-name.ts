const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Returns why a text is not a plain host name, as a sentence without its full stop; undefined when it is one. Pure.
 *
 * A plain host name has lower-case ASCII letters, digits and inner hyphens in labels of 1 to 63, at most 253 characters in all and no
 * trailing dot, and its last label is not a number, which would make it an address. A name in another script has its `xn--` form. How many
 * labels a name needs, and which are taken, is the caller's rule.
 *
 * @see RFC 1123 section 2.1, RFC 1035 section 2.3.1, RFC 5891
 */
export function hostNameFault(text: string): string | undefined {
  if (text.length > 253) return 'a host name has at most 253 characters'
  if (/[A-Z]/.test(text)) return 'a host name is in lower case'
  const labels = text.split('.')
  if (!labels.every((part) => label.test(part))) {
    return 'the labels of a host name are a-z, 0-9 and inner hyphens, 1 to 63 characters, with dots between; other scripts as xn--'
  }
  return /^[0-9]+$/.test(labels.at(-1) ?? '') ? 'a host name does not end in a number, as an address does' : undefined
}
