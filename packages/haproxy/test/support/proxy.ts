import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createHost, type Host } from '@puppy/host'
import { freePort } from '@puppy/host/testing'
import { createContext, withSpec, type ProxyContext } from '../../src/context.ts'
import { openHaproxy, type Haproxy } from '../../src/haproxy.ts'
import type { ConfigSpec, ProxyLocation, ProxySettings } from '../../src/settings.ts'

/** Why tests against the real program cannot run here, or false. */
export const skip: string | false = createHost().program('haproxy') === undefined ? 'haproxy is not installed' : false
export const skipTls: string | false = createHost().program('openssl') === undefined ? 'openssl is not installed' : skip

/** Every port that the kernel chooses belongs to a tenant here. A slot has eight ports. */
export const range = { firstPort: 20_000, portsPerSlot: 8, slots: 5690 } as const

export const slotOf = (port: number): number => Math.floor((port - range.firstPort) / range.portsPerSlot)

/** A proxy in its own short folder, on a free port of loopback. It is stopped at the end of the test. */
export interface TestProxy {
  readonly spec: ConfigSpec
  /** The location and the spec. */
  readonly settings: ProxySettings
  readonly context: ProxyContext
  readonly haproxy: Haproxy
  readonly port: number
  readonly base: string
}

export async function testProxy(t: Test, more: Partial<ConfigSpec> = {}): Promise<TestProxy> {
  const base = testFolder(t)
  const port = await freePort()
  const location: ProxyLocation = { folder: `${base}/f`, runFolder: `${base}/r` }
  const spec = { listen: [`127.0.0.1:${port}`], connectionsPerTenant: 20, ...range, ...more }
  const host = createHost()
  const haproxy = openHaproxy(host, location)
  t.teardown(() => haproxy.stop())
  const settings = { ...location, ...spec }
  return { spec, settings, context: testContext(host, settings), haproxy, port, base }
}

/** Creates a context with a spec. */
export function testContext(host: Host, settings: ProxySettings): ProxyContext {
  return withSpec(createContext(host, settings), settings)
}

/** Creates a temporary folder. It is deleted after every teardown that was registered later. */
export function testFolder(t: Test): string {
  const base = mkdtempSync('/tmp/puppy-hx-')
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  return base
}

/** Starts a tenant. It answers with the headers of the request, `/<status>` with that status, and never answers `/slow`. */
export async function tenant(t: Test): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    if (request.url === '/slow') return
    const status = Number(/^\/([2-5][0-9]{2})$/.exec(request.url ?? '')?.[1] ?? 200)
    response.writeHead(status).end(JSON.stringify({ url: request.url, headers: request.headers }))
  })
  server.on('upgrade', (request, socket, head) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = `Sec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}`
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', accept]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    socket.write(head)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, server }
}

/** Sends raw text to a port. Returns everything that it receives until the connection closes or the text contains `until`. */
export function talk(port: number, text: string, until?: string, address = '127.0.0.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = ''
    const socket = connect(port, address, () => socket.write(text))
    const end = () => {
      socket.destroy()
      resolve(reply)
    }
    socket.setTimeout(10_000, end)
    socket.on('data', (chunk: Buffer) => {
      reply += chunk.toString('utf8')
      if (until !== undefined && reply.includes(until)) end()
    })
    socket.once('close', end)
    socket.once('error', reject)
  })
}

/** Sends a GET request and returns the answer. */
export async function get(port: number, host: string, path = '/', lines: readonly string[] = []): Promise<Answer> {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines].join('\r\n')
  return parseAnswer(await talk(port, `${head}\r\n\r\n`))
}

export interface Answer {
  readonly status: number
  readonly body: string
  readonly text: string
}

export function parseAnswer(text: string): Answer {
  const status = Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(text)?.[1] ?? 0)
  return { status, body: text.slice(text.indexOf('\r\n\r\n') + 4), text }
}

/** Returns the headers that a tenant received. */
export function told(answer: Answer): IncomingHttpHeaders {
  const body = answer.body.slice(answer.body.indexOf('{'), answer.body.lastIndexOf('}') + 1)
  return (JSON.parse(body) as { headers: IncomingHttpHeaders }).headers
}

const ecKey = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

/** Writes a certificate for these names and its key into one PEM file. */
export function makeCertificate(path: string, names: readonly string[], kind: readonly string[] = ecKey): void {
  const key = ['-newkey', ...kind, '-nodes', '-days', '30']
  const subject = [
    '-subj',
    `/CN=${names[0]}`,
    '-addext',
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
  ]
  const parts = { key: `${path}.key~`, certificate: `${path}.crt~` }
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-keyout', parts.key, '-out', parts.certificate], {
    stdio: 'ignore',
  })
  execFileSync('sh', ['-c', 'cat "$1" "$2" > "$3"; rm "$1" "$2"', 'sh', parts.certificate, parts.key, path])
}
