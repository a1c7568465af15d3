import { once } from 'node:events'
import net, { createServer, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { listen } from '../src/server.ts'

const loopback = '127.0.0.1'

void t.test('listen() returns the URL', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', async () => 'hello')
  const address = await listen(app, { host: loopback, port: 0 })
  t.match(address, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal(await (await fetch(address)).text(), 'hello')
})

/** A bound socket, as another process hands it over. */
function bind(): { readonly fd: number; readonly port: number } {
  const create = (net as unknown as { readonly _createServerHandle: (...args: unknown[]) => BoundHandle })
    ._createServerHandle
  const handle = create(loopback, 0, 4)
  const name: { port?: number } = {}
  handle.getsockname(name)
  return { fd: handle.fd, port: name.port ?? 0 }
}
interface BoundHandle {
  readonly fd: number
  getsockname(out: object): number
}

void t.test('listen() serves sockets that were handed over, and closes them', async (t) => {
  const app = Fastify()
  app.get('/', async () => 'hello')
  const [one, two] = [bind(), bind()]
  const address = await listen(app, { descriptors: [one.fd, two.fd] })
  t.equal(address, `http://${loopback}:${one.port}`)
  for (const { port } of [one, two]) t.equal(await (await fetch(`http://${loopback}:${port}/`)).text(), 'hello')
  await app.close()
  for (const { port } of [one, two]) await t.rejects(fetch(`http://${loopback}:${port}/`), { message: 'fetch failed' })
})

void t.test('listen() rejects with the errno', async (t) => {
  const other = createServer().listen(0, loopback)
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(listen(app, { host: loopback, port }), { code: 'EADDRINUSE' })
  other.close()
  await once(other, 'close')
  t.equal(await listen(app, { host: loopback, port }), `http://${loopback}:${port}`, 'a later attempt succeeds')
})
