import { parse } from 'tldts'
import { ApiError } from '../errors.ts'

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Checks a host name that somebody wants to route, and gives the registrable domain that it belongs to.
 *
 * Lower-case ASCII labels without a trailing dot; names in other scripts come as their `xn--` form. A public suffix
 * (`com`, `co.uk`) is refused: whoever had it could keep everybody else from the names below it.
 *
 * @throws ApiError `domain_invalid`. @see RFC 1123 section 2.1, RFC 5891, publicsuffix.org
 */
export function registrableDomain(name: string): string {
  const refuse = (why: string) =>
    new ApiError('domain_invalid', `${JSON.stringify(name)} cannot be routed: ${why}`, [
      { pointer: 'domain', detail: why },
    ])
  if (name.length > 253) throw refuse('a host name has at most 253 characters')
  if (name !== name.toLowerCase()) throw refuse('give it in lower case')
  const labels = name.split('.')
  if (labels.some((part) => !label.test(part))) {
    throw refuse('its labels are a-z, 0-9 and hyphens, 1 to 63 characters, with dots between; other scripts as xn--')
  }
  if (/^\d+$/.test(labels.at(-1) ?? '')) throw refuse('it looks like an address')
  const { domain, isIp } = parse(name, { allowPrivateDomains: true })
  if (isIp === true || domain === null) throw refuse('it is a public suffix or has only one label')
  return domain
}
