import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** How long a connection is silent before its request counts as complete. */
const silence = 250

/** A tenant that stores the bytes of each connection and understands none of them. */
export interface Recorder {
  readonly port: number
  /** Returns what each connection received since the last call. Waits until no connection receives anything. */
  take(): Promise<readonly string[]>
}

/**
 * Starts a recorder. It answers 200 after a silence, or 101 to a websocket and to the path `/101`, and closes. Bytes are characters of Latin-1.
 *
 * Each connection must contain exactly one request. More bytes are a smuggled request.
 */
export async function startRecorder(t: Pick<Test, 'teardown'>): Promise<Recorder> {
  const open = new Set<Socket>()
  let received: { text: string }[] = []
  const server = createServer((socket) => {
    const connection = { text: '' }
    received.push(connection)
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    socket.setTimeout(silence, () => {
      socket.end(answer(connection.text))
      socket.setTimeout(silence, () => socket.destroy())
    })
    socket.on('data', (bytes) => (connection.text += bytes.toString('latin1')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const take = async () => {
    for (const socket of open) await new Promise((closed) => socket.once('close', closed))
    const taken = received.map(({ text }) => text).filter((text) => text !== '')
    received = []
    return taken
  }
  return { port: (server.address() as AddressInfo).port, take }
}

function answer(text: string): string {
  const upgrades = /\r\nconnection: upgrade\r\n/.test(text) || /^[A-Z]+ \/101 /.test(text)
  if (!upgrades) return 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
  const key = /\r\nsec-websocket-key: (.*)\r\n/i.exec(text)?.[1] ?? ''
  const hash = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${hash}\r\n\r\n`
}
