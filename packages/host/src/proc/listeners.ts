import { endianness } from 'node:os'
import { HostError } from '../errors.ts'
import type { Host } from '../host.ts'
import { processesOf, readProcesses } from './process.ts'
import type { ProcessStatus } from './status.ts'

/** A TCP socket that accepts connections. */
export interface Listener {
  /** In the usual notation: `127.0.0.1`, `::1`, `::`. */
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** The uid that created the socket. */
  readonly uid: number
  /** The number of the socket in links below `/proc/PID/fd`: `socket:[4711]`. */
  readonly inode: number
}

/** Sockets that are returned for each user and port. A user can listen on millions of addresses of 127.0.0.0/8. */
const mostOfOne = 16

/**
 * Reads the listening TCP sockets of our network namespace from `/proc/net/tcp` and `tcp6`. Returns at most 16 sockets for each user and
 * port.
 *
 * The kernel lists the listening sockets before all connections. Reading ends at the first connection, so that connections, which every
 * visitor can open, cost no time. Takes memory for the returned sockets only.
 *
 * @throws HostError `HOST_READ_FAILED`
 */
export async function readListeners(host: Pick<Host, 'readEachLine'>): Promise<readonly Listener[]> {
  const [four, six] = [await readTable(host, 'tcp', 'ipv4'), await readTable(host, 'tcp6', 'ipv6')]
  return [...four, ...six]
}

async function readTable(
  host: Pick<Host, 'readEachLine'>,
  table: 'tcp' | 'tcp6',
  family: Listener['family'],
): Promise<readonly Listener[]> {
  const parse = lineParser(family, endianness())
  const listeners: Listener[] = []
  const counts = new Map<string, number>()
  await host.readEachLine(`/proc/net/${table}`, (line) => {
    const listener = parse(line)
    if (listener === undefined || listener === 'connection') return listener === undefined
    const key = `${listener.uid} ${listener.port}`
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    if (count < mostOfOne) listeners.push(listener)
    return true
  })
  return listeners
}

/**
 * Parses the listening sockets (state 0A) of a `/proc/net/tcp` table. Ignores lines of another form. Pure.
 *
 * ```text
 *   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *    0: 0100007F:2801 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10000        0 4711 1 …
 * ```
 *
 * Addresses are 32-bit words in hexadecimal, in the byte order of the machine. Ports are plain hexadecimal.
 *
 * @param order the byte order of the machine that wrote the table
 * @see proc_pid_net(5)
 */
export function parseListeners(
  text: string,
  family: Listener['family'],
  order: 'LE' | 'BE' = 'LE',
): readonly Listener[] {
  const parse = lineParser(family, order)
  return text
    .split('\n')
    .map((line) => parse(line))
    .filter((one) => typeof one === 'object')
}

/** Returns a parser of one line. It returns `connection` for a socket in another state, and undefined for a line of another form. */
function lineParser(
  family: Listener['family'],
  order: 'LE' | 'BE',
): (line: string) => Listener | 'connection' | undefined {
  const digits = family === 'ipv4' ? 8 : 32
  const form = new RegExp(
    `^ *\\d{1,10}: ([0-9A-F]{${digits}}):([0-9A-F]{4}) [0-9A-F:]{1,40} ([0-9A-F]{2}) \\S+ \\S+ \\S+ +(\\d{1,10}) +\\d+ (\\d{1,15}) `,
  )
  return (line) => {
    const [, address, port, state, uid, inode] = form.exec(line) ?? []
    if (address === undefined || port === undefined) return undefined
    if (state !== '0A') return 'connection'
    const number = Number.parseInt(port, 16)
    return { address: renderAddress(address, order), family, port: number, uid: Number(uid), inode: Number(inode) }
  }
}

function renderAddress(hex: string, order: 'LE' | 'BE'): string {
  const bytes = Buffer.from(hex, 'hex')
  if (order === 'LE') bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Descriptors that one call reads at most. A tenant can have millions of them, and must not keep this process busy. */
const maxDescriptors = 20_000

/**
 * Finds the processes that hold these sockets, by inode.
 *
 * Reads `/proc` once, and there only the processes of the uids that created the sockets. A process that has changed its uids since then is
 * not found. Needs root for the processes of other users. Reads at most 20,000 descriptors, so processes of uids with more open descriptors
 * can be missing.
 *
 * @throws HostError `HOST_READ_FAILED` when `/proc` cannot be read.
 */
export async function findHolders(
  host: Pick<Host, 'list' | 'read' | 'readLink'>,
  listeners: readonly Listener[],
): Promise<ReadonlyMap<number, readonly ProcessStatus[]>> {
  const inodes = new Set(listeners.map(({ inode }) => inode))
  if (inodes.size === 0) return new Map()
  const processes = processesOf(await readProcesses(host), new Set(listeners.map(({ uid }) => uid)))
  const holders = new Map<number, ProcessStatus[]>()
  let left = maxDescriptors
  for (const process of processes) {
    if (left <= 0) break
    const { descriptors, sockets } = await readSockets(host, process.pid, left)
    left -= descriptors
    for (const inode of sockets) {
      if (inodes.has(inode)) holders.set(inode, [...(holders.get(inode) ?? []), process])
    }
  }
  return holders
}

/** Reads the inodes of the sockets of a process. Returns none for a process that has ended or that we may not read. */
async function readSockets(
  host: Pick<Host, 'list' | 'readLink'>,
  pid: number,
  most: number,
): Promise<{ readonly descriptors: number; readonly sockets: ReadonlySet<number> }> {
  const folder = `/proc/${pid}/fd`
  try {
    const names = (await host.list(folder)).slice(0, most)
    const links = await Promise.all(names.map((name) => host.readLink(`${folder}/${name}`)))
    const inodes = links.flatMap((link) => /^socket:\[(\d{1,15})\]$/.exec(link ?? '')?.[1] ?? [])
    return { descriptors: names.length, sockets: new Set(inodes.map(Number)) }
  } catch (error) {
    // ESRCH: the process has ended. EACCES, EPERM: we are not root.
    if (error instanceof HostError && /^(ESRCH|EACCES|EPERM)$/.test(error.facts.errno ?? '')) {
      return { descriptors: 0, sockets: new Set() }
    }
    throw error
  }
}
