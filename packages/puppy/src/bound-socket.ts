import net from 'node:net'
import { getSystemErrorName } from 'node:util'

/** A TCP socket that is bound to an address. This process does not accept its connections: a program that inherits it does. */
export interface BoundSocket {
  readonly descriptor: number
  close(): void
}

/** What the modules `net` and `cluster` of Node use for a socket that other processes serve. Not documented. */
interface Handle {
  readonly fd: number
  getsockname(out: object): number
  close(): void
}
type Bind = (address: string, port: number, family: 4 | 6) => Handle | number

/**
 * Binds a TCP socket and does not listen: `net.Server` would accept connections in this process. Once a program that inherits the socket
 * listens on it, the socket stays in that state until its last copy is closed.
 *
 * @param address an IP address
 * @throws Error with the errno as `code`, such as `EADDRINUSE`
 */
export function bindSocket(address: string, port: number): BoundSocket {
  const bind = (net as unknown as { readonly _createServerHandle: Bind })._createServerHandle
  const handle = bind(address, port, net.isIPv6(address) ? 6 : 4)
  if (typeof handle === 'number') throw failed(handle, address, port)
  // A port that is in use is reported only now.
  const error = handle.getsockname({})
  if (error !== 0) {
    handle.close()
    throw failed(error, address, port)
  }
  return { descriptor: handle.fd, close: () => handle.close() }
}

/** Binds a socket for each address, or none. @throws Error as `bindSocket` */
export function bindSockets(addresses: readonly string[], port: number): readonly BoundSocket[] {
  const bound: BoundSocket[] = []
  try {
    for (const address of addresses) bound.push(bindSocket(address, port))
    return bound
  } catch (error) {
    for (const socket of bound) socket.close()
    throw error
  }
}

function failed(code: number, address: string, port: number): Error {
  const name = getSystemErrorName(code)
  return Object.assign(new Error(`Cannot bind ${address}:${port}: ${name}`), { code: name })
}
