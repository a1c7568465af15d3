import { endianness } from 'node:os'
import type { Host } from '@puppy/host'

/** A TCP socket that somebody listens on. */
export interface Listener {
  /** As written by people: `127.0.0.1`, `::1`, `::`. */
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** Who made the socket. */
  readonly uid: number
}

/** Reads who listens on TCP now, from `/proc/net/tcp` and `tcp6` of the network namespace we are in. */
export async function readListeners(machine: Host): Promise<readonly Listener[]> {
  const [four, six] = await Promise.all([machine.read('/proc/net/tcp'), machine.read('/proc/net/tcp6')])
  return [...parseListeners(four ?? '', 'ipv4', endianness()), ...parseListeners(six ?? '', 'ipv6', endianness())]
}

/**
 * Reads the listening sockets (state 0A) of a `/proc/net/tcp` table; lines that are not of its form are left out.
 *
 * ```text
 *   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *    0: 0100007F:2801 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10000        0 4711 1 …
 * ```
 *
 * Addresses are 32-bit words in the byte order of the machine, in hexadecimal; ports are plain hexadecimal.
 *
 * @see proc_pid_net(5)
 */
export function parseListeners(
  text: string,
  family: Listener['family'],
  order: 'LE' | 'BE' = 'LE',
): readonly Listener[] {
  const digits = family === 'ipv4' ? 8 : 32
  const line = new RegExp(`^\\s*\\d+: ([0-9A-F]{${digits}}):([0-9A-F]{4}) [0-9A-F:]+ 0A \\S+ \\S+ \\S+ +(\\d{1,10}) `)
  return text.split('\n').flatMap((row) => {
    const [, address, port, uid] = line.exec(row) ?? []
    if (address === undefined || port === undefined || uid === undefined) return []
    return [{ address: renderAddress(address, order), family, port: Number.parseInt(port, 16), uid: Number(uid) }]
  })
}

function renderAddress(hex: string, order: 'LE' | 'BE'): string {
  const bytes = Buffer.from(hex, 'hex')
  if (order === 'LE') bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
