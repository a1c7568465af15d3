import { endianness } from 'node:os'
import { HostError, type Host } from '@puppy/host'
import { processesOf, readProcesses, type Process } from './processes.ts'

/** A TCP socket that somebody listens on. */
export interface Listener {
  /** As written by people: `127.0.0.1`, `::1`, `::`. */
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly port: number
  /** Who made the socket. */
  readonly uid: number
  /** What the kernel calls the socket: `socket:[4711]` below `/proc/PID/fd`. */
  readonly inode: number
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
  const line = new RegExp(
    `^\\s*\\d+: ([0-9A-F]{${digits}}):([0-9A-F]{4}) [0-9A-F:]+ 0A \\S+ \\S+ \\S+ +(\\d{1,10}) +\\d+ (\\d{1,20}) `,
  )
  return text.split('\n').flatMap((row) => {
    const [, address, port, uid, inode] = line.exec(row) ?? []
    if (address === undefined || port === undefined) return []
    const number = Number.parseInt(port, 16)
    return [{ address: renderAddress(address, order), family, port: number, uid: Number(uid), inode: Number(inode) }]
  })
}

function renderAddress(hex: string, order: 'LE' | 'BE'): string {
  const bytes = Buffer.from(hex, 'hex')
  if (order === 'LE') bytes.swap32()
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/** Descriptors that are looked at for one answer: a tenant may have millions, and must not keep us busy with them. */
const maxDescriptors = 20_000

/**
 * Finds the processes that hold these sockets, by inode. Reads `/proc` once for all of them, and of it only what belongs to the
 * users who made them: a process that has become somebody else since is not found. Needs root for others' processes. Of
 * users with more than 20,000 open descriptors not every process is looked at.
 *
 * @throws HostError `HOST_READ_FAILED` when `/proc` cannot be read.
 */
export async function findHolders(
  machine: Host,
  listeners: readonly Listener[],
): Promise<ReadonlyMap<number, readonly Process[]>> {
  const inodes = new Set(listeners.map(({ inode }) => inode))
  if (inodes.size === 0) return new Map()
  const processes = processesOf(await readProcesses(machine), new Set(listeners.map(({ uid }) => uid)))
  const holders = new Map<number, Process[]>()
  let left = maxDescriptors
  for (const process of processes) {
    const { looked, sockets } = await readSockets(machine, process.pid, left)
    left -= looked
    for (const inode of sockets) {
      if (inodes.has(inode)) holders.set(inode, [...(holders.get(inode) ?? []), process])
    }
  }
  return holders
}

/** The inodes of a process's sockets; none of one that ended meanwhile, or that we may not look into. */
async function readSockets(
  machine: Host,
  pid: number,
  most: number,
): Promise<{ readonly looked: number; readonly sockets: ReadonlySet<number> }> {
  if (most <= 0) return { looked: 0, sockets: new Set() }
  const folder = `/proc/${pid}/fd`
  try {
    const names = (await machine.list(folder)).slice(0, most)
    const links = await Promise.all(names.map((name) => machine.readLink(`${folder}/${name}`)))
    const inodes = links
      .map((link) => /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1])
      .filter((inode) => inode !== undefined)
    return { looked: names.length, sockets: new Set(inodes.map(Number)) }
  } catch (error) {
    // ESRCH: it ended. EACCES, EPERM: we are not root.
    if (error instanceof HostError && /^(ESRCH|EACCES|EPERM)$/.test(error.facts.detail ?? '')) {
      return { looked: 0, sockets: new Set() }
    }
    throw error
  }
}
