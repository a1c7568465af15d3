import { isIPv4, isIPv6 } from 'node:net'

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
  return `[${address}]:${port}${address === '::' ? ' v6only' : ''}`
}
