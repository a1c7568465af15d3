const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Returns why a text is not a plain host name, as a sentence without a full stop. Returns undefined for a valid name. Pure.
 *
 * A plain host name consists of labels of 1 to 63 lower-case ASCII letters, digits and inner hyphens. It has at most 253 characters and no
 * trailing dot. Its last label is not a number, because such a name would be an address. A name in another script must be in its `xn--`
 * form. The caller decides how many labels a name needs, and which names are taken.
 *
 * @see RFC 1123 section 2.1, RFC 1035 section 2.3.1, RFC 5891
 */
export function hostNameFault(text: string): string | undefined {
  if (text.length > 253) return 'a host name has at most 253 characters'
  if (/[A-Z]/.test(text)) return 'a host name must be in lower case'
  const labels = text.split('.')
  if (!labels.every((part) => label.test(part))) {
    return 'a host name must be labels of 1 to 63 characters (a-z, 0-9, inner hyphens), separated by dots; write other scripts as xn--'
  }
  return /^[0-9]+$/.test(labels.at(-1) ?? '')
    ? 'the last label of a host name must not be a number, as in an address'
    : undefined
}
