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
 * Parses `169.254.0.0/16`, `fd00:ec2::254` and the like. Bits below the prefix are cleared.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function parseNetwork(text: string): Network {
  const [address = '', length, rest] = text.split('/')
  const version = isIP(address)
  const bits = version === 4 ? 32 : 128
  const refused = (detail: string) =>
    new FirewallError('FIREWALL_INVALID', { operation: 'read the network', value: text, detail })
  if (version === 0 || rest !== undefined || address.includes('%')) throw refused('it is no address and no prefix')
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (length === undefined) return { family, address: canonical(address) }
  if (!/^\d{1,3}$/.test(length) || Number(length) < 1 || Number(length) > bits) {
    throw refused(`a prefix has 1 to ${bits} bits`)
  }
  if (Number(length) === bits) return { family, address: canonical(address) }
  return { family, address: masked(address, Number(length)), length: Number(length) }
}

/** Whether an address lies in one of the networks. */
export function isInside(networks: readonly Network[], address: string): boolean {
  const list = new BlockList()
  for (const { family, address: net, length } of networks) {
    list.addSubnet(net, length ?? (family === 'ipv4' ? 32 : 128), family)
  }
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/** Removes networks that lie in others, because an interval set refuses what overlaps. */
export function withoutNested(networks: readonly Network[]): readonly Network[] {
  const bits = ({ family, length }: Network) => length ?? (family === 'ipv4' ? 32 : 128)
  const kept: Network[] = []
  for (const network of networks.toSorted((one, other) => bits(one) - bits(other))) {
    const same = kept.filter(({ family }) => family === network.family)
    if (!isInside(same, network.address)) kept.push(network)
  }
  return kept
}

/** inet_ntop(3)'s text, which is nft's too. */
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

/** Whether an address goes by loopback on every host. */
export function isLoopback(address: string): boolean {
  return isInside(
    [
      { family: 'ipv4', address: '127.0.0.0', length: 8 },
      { family: 'ipv6', address: '::1' },
    ],
    address,
  )
}
