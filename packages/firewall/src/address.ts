import { BlockList, isIP, isIPv4 } from 'node:net'
import { FirewallError } from './errors.ts'

/** An address or a network, in canonical text. */
export interface Network {
  readonly family: 'ipv4' | 'ipv6'
  readonly address: string
  /** Bits of the network; absent for one address. */
  readonly length?: number
}

/**
 * Parses an address or a prefix, such as `fd00:ec2::254` or `169.254.0.0/16`. Clears the bits below the prefix.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function parseNetwork(text: string): Network {
  const [address = '', length, rest] = text.split('/')
  const version = isIP(address)
  const bits = version === 4 ? 32 : 128
  const refused = (detail: string) =>
    new FirewallError('FIREWALL_INVALID', { operation: 'parse the network', value: text, detail })
  if (version === 0 || rest !== undefined || address.includes('%')) {
    throw refused('the text is neither an IP address nor a prefix such as 169.254.0.0/16')
  }
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (length === undefined) return { family, address: canonical(address) }
  if (!/^\d{1,3}$/.test(length) || Number(length) < 1 || Number(length) > bits) {
    throw refused(`the length of a prefix is a number from 1 to ${bits}`)
  }
  if (Number(length) === bits) return { family, address: canonical(address) }
  return { family, address: masked(address, Number(length)), length: Number(length) }
}

/** Returns whether an address is inside one of the networks. Pure. */
export function isInside(networks: readonly Network[], address: string): boolean {
  const list = new BlockList()
  for (const { family, address: net, length } of networks) {
    list.addSubnet(net, length ?? (family === 'ipv4' ? 32 : 128), family)
  }
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/** Removes each network that another one contains. An interval set refuses overlapping elements. Pure. */
export function withoutNested(networks: readonly Network[]): readonly Network[] {
  const bits = ({ family, length }: Network) => length ?? (family === 'ipv4' ? 32 : 128)
  const kept: Network[] = []
  for (const network of networks.toSorted((one, other) => bits(one) - bits(other))) {
    const same = kept.filter(({ family }) => family === network.family)
    if (!isInside(same, network.address)) kept.push(network)
  }
  return kept
}

/** Returns the text of inet_ntop(3), which nft uses too. */
function canonical(address: string): string {
  return isIPv4(address) ? address : new URL(`http://[${address}]`).hostname.slice(1, -1)
}

function masked(address: string, length: number): string {
  const bytes = bytesOf(address)
  const kept = bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, length - index * 8))
    return byte & (0xff << (8 - bits)) & 0xff
  })
  if (kept.length === 4) return kept.join('.')
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((kept[index * 2] ?? 0) << 8) | (kept[index * 2 + 1] ?? 0)).toString(16),
  )
  return canonical(groups.join(':'))
}

function bytesOf(address: string): readonly number[] {
  if (isIPv4(address)) return address.split('.').map(Number)
  const [head = '', tail] = canonical(address).split('::')
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const front = words(head)
  const back = words(tail ?? '')
  const middle = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => 0)
  return [...front, ...middle, ...back].flatMap((word) => [word >> 8, word & 0xff])
}

/** Returns whether an address is in 127.0.0.0/8 or is ::1. These use loopback on every host. Pure. */
export function isLoopback(address: string): boolean {
  return isInside(
    [
      { family: 'ipv4', address: '127.0.0.0', length: 8 },
      { family: 'ipv6', address: '::1' },
    ],
    address,
  )
}
