/** Addresses on which HAProxy listens: `@puppy/haproxy/listen`. Pure: the process that faces the network may load it, and so no `node:net`. */

/** An address to listen on. */
export interface ListenAddress {
  /** An IPv4 or IPv6 address without brackets. Absent: every IPv4 and IPv6 address. */
  readonly address?: string
  readonly port: number
}

/** Parses `:80`, `127.0.0.1:80` or `[::1]:80`. Returns undefined for any other text. Does not resolve names. */
export function parseListen(text: string): ListenAddress | undefined {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]*)):([0-9]{1,5})$/.exec(text)
  if (parts === null) return undefined
  const [, six, four, digits] = parts
  const port = Number(digits)
  if (port < 1 || port > 65_535) return undefined
  if (six !== undefined) return isIPv6(six) ? { address: six, port } : undefined
  if (four === undefined || four === '') return { port }
  return isIPv4(four) ? { address: four, port } : undefined
}

/**
 * Renders the address of a `bind` line.
 *
 * HAProxy reads a bare `:80` as IPv4 only. Every address is therefore written as `:::80 v4v6`, unless the machine has no IPv6.
 */
export function renderListen({ address, port }: ListenAddress, ipv6: boolean): string {
  if (address === undefined) return ipv6 ? `:::${port} v4v6` : `:${port}`
  if (isIPv4(address)) return `${address}:${port}`
  return `[${address}]:${port}${normalize(address).address === everySix ? ' v6only' : ''}`
}

/**
 * Returns the first two addresses that one machine cannot listen on at once, or undefined. `:80` includes every address with that port,
 * `0.0.0.0:80` every IPv4 address and `[::]:80` every IPv6 address. Leaves out texts that are no addresses. Pure.
 */
export function findClash(addresses: readonly string[]): readonly [string, string] | undefined {
  const parsed = addresses.flatMap((text) => {
    const listen = parseListen(text)
    return listen === undefined ? [] : [{ text, port: listen.port, ...normalize(listen.address) }]
  })
  for (const [n, one] of parsed.entries()) {
    const other = parsed.slice(n + 1).find((later) => {
      if (later.port !== one.port) return false
      if (one.family === 'every' || later.family === 'every') return true
      if (one.family !== later.family) return false
      return [one, later].some(({ address }) => everyOne.has(address)) || one.address === later.address
    })
    if (other !== undefined) return [one.text, other.text]
  }
  return undefined
}

/** The addresses of every IPv4 address and of every IPv6 address, as `normalize` returns them. */
const [everyFour, everySix] = ['0.0.0.0', '[::]']
const everyOne = new Set([everyFour, everySix])

/** Returns the family of an address and its only form. An IPv4 address in an IPv6 one is an IPv4 address, as in the kernel. */
function normalize(address: string | undefined): { readonly family: 'every' | '4' | '6'; readonly address: string } {
  if (address === undefined) return { family: 'every', address: '' }
  if (isIPv4(address)) return { family: '4', address }
  const { hostname } = new URL(`http://[${address}]`)
  const [, ...words] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (words.length === 0) return { family: '6', address: hostname }
  const bytes = words.map((word) => Number.parseInt(word, 16)).flatMap((word) => [word >> 8, word & 255])
  return { family: '4', address: bytes.join('.') }
}

function isIPv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/.test(text)
}

function isIPv6(text: string): boolean {
  return text.includes(':') && URL.canParse(`http://[${text}]`)
}
