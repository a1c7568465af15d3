import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The connections that the API has at a time. */
export const mostConnections = 1000

/**
 * Limits the connections of a server. At the limit, a new connection replaces the one that has been silent for longest, so connections that
 * send no request keep no client out. A connection with a request in progress stays. If all connections are so, the new one is closed.
 */
export function limitConnections(server: Server, most: number = mostConnections): void {
  const all = new Set<Socket>()
  /** Connections without a request in progress. The one that has been silent for longest is the first. */
  const silent = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    if (all.size >= most) {
      const [oldest = socket] = silent
      silent.delete(oldest)
      all.delete(oldest)
      oldest.destroy()
      if (oldest === socket) return
    }
    all.add(socket)
    silent.add(socket)
    socket.once('close', () => {
      all.delete(socket)
      silent.delete(socket)
    })
  })
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    silent.delete(socket)
    response.once('close', () => {
      if (all.has(socket)) silent.add(socket)
    })
  })
}
