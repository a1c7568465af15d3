import { once } from 'node:events'
import { createServer } from 'node:net'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'

/** An address, or open descriptors of bound sockets that another process hands over. */
export type ListenTarget =
  | { readonly host: string; readonly port: number }
  | { readonly descriptors: readonly [number, ...number[]] }

/** Listens, and returns the URL. @throws Error with the errno as `code` */
export async function listen(app: FastifyInstance, at: ListenTarget): Promise<string> {
  if (!('descriptors' in at)) return app.listen(at)
  const [first, ...others] = at.descriptors
  // Fastify passes the options on to net.Server.listen(), whose `fd` has precedence over the host.
  const options: FastifyListenOptions & { readonly fd: number } = { host: '0.0.0.0', fd: first }
  const url = await app.listen(options)
  for (const fd of others) {
    const server = createServer((socket) => void app.server.emit('connection', socket)).listen({ fd })
    await once(server, 'listening')
    app.server.once('close', () => server.close())
  }
  return url
}
