import { parse } from 'tldts'
import { ApiError } from '../errors.ts'

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Checks a host name that is to be routed, and returns the registrable domain that it belongs to. Pure.
 *
 * Accepts lower-case ASCII labels without a trailing dot. Names in other scripts must be in their `xn--` form. Refuses a public suffix
 * (`com`, `co.uk`): its owner could keep other resellers from the names below it.
 *
 * @throws ApiError `domain_invalid`. @see RFC 1123 section 2.1, RFC 5891, publicsuffix.org
 */
export function registrableDomain(name: string): string {
  const refuse = (why: string) =>
    new ApiError('domain_invalid', `Domain ${JSON.stringify(name)} cannot be routed. It ${why}.`, [
      { pointer: 'domain', detail: why },
    ])
  if (name.length > 253) throw refuse('must have at most 253 characters')
  if (name !== name.toLowerCase()) throw refuse('must be in lower case')
  const labels = name.split('.')
  if (labels.some((part) => !label.test(part))) {
    throw refuse(
      'must consist of labels of 1 to 63 characters (a-z, 0-9, hyphens inside) with dots between; other scripts need the xn-- form',
    )
  }
  if (/^\d+$/.test(labels.at(-1) ?? ''))
    throw refuse('must not end in a number, because it would look like an IP address')
  const { domain, isIp } = parse(name, { allowPrivateDomains: true })
  if (isIp === true || domain === null) throw refuse('must have at least two labels, and must not be a public suffix')
  return domain
}
