// Serves one domain through a HAProxy of its own on loopback, suspends it, and cleans up. Needs no root.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openHaproxy } from '@puppy/haproxy'
import { createHost } from '@puppy/host'

const base = await mkdtemp('/tmp/puppy-example-')
const tenant = createServer((_request, response) => response.end('hello from the tenant\n')).listen(0, '127.0.0.1')
await once(tenant, 'listening')
const { port } = tenant.address() as AddressInfo
const proxyPort = port > 40_000 ? port - 5000 : port + 5000
const range = { firstPort: port, portsPerSlot: 8, slots: 10 } // this tenant is slot 0
const haproxy = openHaproxy(createHost(), { folder: `${base}/haproxy`, runFolder: `${base}/run` })

async function show(host: string): Promise<void> {
  const answer = await new Promise<string>((resolve, reject) => {
    request({ port: proxyPort, host: '127.0.0.1', headers: { host, connection: 'close' } }, (response) => {
      let body = `${response.statusCode} `
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve(body.trim()))
    })
      .on('error', reject)
      .end()
  })
  console.log(`${host}: ${answer}`)
}

try {
  await haproxy.config.ensure({ ...range, listen: [`127.0.0.1:${proxyPort}`], connectionsPerTenant: 50 })
  const routes = [{ domain: 'blog.example.com', port }]
  await haproxy.routes.ensure({ ...range, routes, suspended: [] })
  await show('blog.example.com')
  await show('unknown.example.com')
  await haproxy.routes.ensure({ ...range, routes, suspended: [0] })
  await show('blog.example.com')
  console.log(await haproxy.usage())
} finally {
  await haproxy.remove()
  tenant.close()
  await rm(base, { recursive: true, force: true })
}
