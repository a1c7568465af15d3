import { once } from 'node:events'
import { createServer, get as httpGet, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHost } from '@puppy/host'
import { openHaproxy, type ConfigSpec, type Haproxy } from '@puppy/haproxy'
import type { Test } from 'tap'
import { scratchFolder, freePort } from '@puppy/host/testing'

/** Why tests with the real program cannot run here, or false. */
export const skip: string | false = createHost().program('haproxy') === undefined ? 'haproxy is not installed' : false

/** In these tests every port that the kernel assigns belongs to a tenant. */
const range = { firstPort: 20_000, portsPerSlot: 8, slots: 5690 } as const

export interface TestProxy {
  readonly haproxy: Haproxy
  readonly spec: ConfigSpec
  readonly folder: string
  /** Returns the answer of the proxy for a visitor. */
  get(host: string): Promise<{ readonly status: number; readonly body: string }>
}

/** Opens a proxy in its own folder, on a free port of loopback. It ends with the test. */
export async function openTestProxy(t: Test): Promise<TestProxy> {
  const folder = scratchFolder(t)
  const port = await freePort()
  const haproxy = openHaproxy(createHost(), { folder: `${folder}/f`, runFolder: `${folder}/r` })
  const spec = { ...range, listen: [`127.0.0.1:${port}`], connectionsPerTenant: 20 }
  t.teardown(() => haproxy.stop())
  return { haproxy, spec, folder, get: (host) => get(port, host) }
}

async function get(port: number, host: string): Promise<{ readonly status: number; readonly body: string }> {
  const request = httpGet({ port, host: '127.0.0.1', headers: { host }, agent: false, timeout: 10_000 })
  request.on('timeout', () => request.destroy(new Error('no answer in 10 s')))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, body: Buffer.concat(await response.toArray()).toString() }
}

/** Starts a tenant's server on a port that the kernel assigns. Returns the port and its slot. */
export async function serveTenant(t: Test): Promise<{ readonly port: number; readonly slot: number }> {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, slot: Math.floor((port - range.firstPort) / range.portsPerSlot) }
}
