import { findTool, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { readListeners } from '@puppy/host/proc'
import type { Slot } from '../slots.ts'

/** A TCP or UDP socket that keeps a port. */
export interface BoundSocket {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** The uid that created the socket. Another process may hold it now. */
  readonly uid: number
}

/**
 * Parses `ss --no-header --numeric --extended --listening --tcp --udp`. Ignores lines of another form, and sockets of root, which have no
 * uid. Pure.
 *
 * ```text
 * tcp   LISTEN 0      511        127.0.0.1:10240      0.0.0.0:*    uid:10000 ino:4711 sk:5 cgroup:/user.slice <->
 * ```
 *
 * A tenant chooses the name of the cgroup, which comes last.
 *
 * @see ss(8)
 */
export function parseSockets(text: string): readonly BoundSocket[] {
  const form = /^(tcp|udp) +[A-Z-]+ +\d+ +\d+ +\S+:(\d{1,5}) +\S+ +(?:timer:\S+ +)?uid:(\d{1,10}) /
  return text.split('\n').flatMap((line) => {
    const [, protocol, port, uid] = form.exec(line) ?? []
    return protocol === undefined ? [] : [{ protocol: protocol as 'tcp' | 'udp', port: Number(port), uid: Number(uid) }]
  })
}

/**
 * Closes the sockets with which former tenants still keep ports of their slots, although their processes have ended: another process
 * received the socket. Returns the sockets that are left, by uid. Without ss(8) no socket is closed, and only listening TCP sockets are found.
 *
 * @throws HostError
 */
export async function closeSockets(
  machine: Host,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<ReadonlyMap<number, readonly string[]>> {
  const ss = findTool(machine, 'ss')
  const ports = new Map(slots.map(({ uid, ports: own }) => [uid, new Set(own)]))
  const read = async () => {
    const sockets = ss === undefined ? await readListening(machine) : await readBound(machine, ss, options)
    return sockets.filter(({ uid, port }) => ports.get(uid)?.has(port) === true)
  }
  let left = await read()
  if (ss !== undefined && left.length > 0) {
    for (const { protocol, port } of left) {
      const filter = ['--kill', '--all', `--${protocol}`, 'sport', '=', `:${port}`] as const
      await machine.run([ss, ...filter], runOptions('machine', options, { accept: [0, 1, 255] }))
    }
    left = await read()
  }
  return new Map(
    [...Map.groupBy(left, ({ uid }) => uid)].map(([uid, sockets]) => [
      uid,
      sockets.map(({ protocol, port }) => `a ${protocol} socket on port ${port} that another process holds`),
    ]),
  )
}

async function readBound(machine: Host, ss: string, options: EffectOptions): Promise<readonly BoundSocket[]> {
  const words = ['--no-header', '--numeric', '--extended', '--listening', '--tcp', '--udp'] as const
  return parseSockets((await machine.run([ss, ...words], runOptions('nothing', options))).stdout)
}

async function readListening(machine: Host): Promise<readonly BoundSocket[]> {
  return (await readListeners(machine)).map(({ port, uid }) => ({ protocol: 'tcp', port, uid }))
}
