import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parseAnswer, skipTls as skip, tenant } from '../support/proxy.ts'
import { startRendered } from '../support/rendered.ts'

t.setTimeout(60_000)

/** Starts a tenant that answers with the size of the body, and a HAProxy before it. */
async function start(t: Test, arguments_: string, handle: (request: IncomingMessage) => unknown = () => undefined) {
  const server = createServer((request, response) => void count(request, response))
  const count = async (request: IncomingMessage, response: ServerResponse) => {
    await handle(request)
    let size = 0
    request.on('data', (piece: Buffer) => (size += piece.length))
    request.once('end', () => response.end(`${size} bytes`))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const routes = [['a.test', (server.address() as AddressInfo).port]] as const
  const change = (text: string) => text.replace(/filter lua\.request_body .*/, `filter lua.request_body ${arguments_}`)
  return startRendered(t, { routes, change })
}

/** Opens a connection with the head of an upload. `answer` is everything that HAProxy sends until it closes. */
function upload(port: number, line: string): { readonly socket: Socket; readonly answer: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
  socket.on('error', () => undefined)
  socket.write(`POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n${line}\r\n\r\n`)
  return { socket, answer: new Promise((resolve) => socket.once('close', () => resolve(text))) }
}

/** Sends one byte every 100 ms until the connection closes or `most` bytes are sent. Returns how many were sent. */
async function trickle(socket: Socket, most: number, byte: string): Promise<number> {
  for (let sent = 0; sent < most; sent += 1) {
    if (socket.closed) return sent
    socket.write(byte)
    await sleep(100)
  }
  return most
}

for (const [title, line, byte] of [
  ['with its length', 'Content-Length: 100', 'a'],
  ['in chunks', 'Transfer-Encoding: chunked', '1\r\na\r\n'],
] as const) {
  void t.test(`a slow body ${title} is answered 400 after the grace`, { skip }, async (t) => {
    const { port } = await start(t, '500 1')
    const { socket, answer } = upload(port, line)
    const sent = await trickle(socket, 90, byte)
    t.ok(sent >= 8 && sent < 60, `${sent} bytes in tenths of a second`)
    t.equal(parseAnswer(await answer).status, 400)
  })
}

void t.test('a body of the lowest rate arrives whole, and rate 0 allows every rate', { skip }, async (t) => {
  for (const allowed of ['9 1', '0 1']) {
    const { port, end } = await start(t, allowed)
    const { socket, answer } = upload(port, 'Content-Length: 25')
    await trickle(socket, 25, 'a')
    t.match(await answer, /25 bytes$/, allowed)
    await end()
  }
})

void t.test('a tenant that reads slowly does not count against the client', { skip }, async (t) => {
  const size = 48 * 1024 * 1024
  const { port } = await start(t, '1000000000000 1', () => sleep(2000))
  for (const [line, first, last] of [
    [`Content-Length: ${size}`, '', ''],
    ['Transfer-Encoding: chunked', `${size.toString(16)}\r\n`, '\r\n0\r\n\r\n'],
  ] as const) {
    const { socket, answer } = upload(port, line)
    socket.write(first)
    socket.write(Buffer.alloc(size, 'a'))
    socket.write(last)
    t.match(await answer, new RegExp(`${size} bytes$`), line)
  }
})

void t.test('a client that waits for 100 Continue is not slow', { skip }, async (t) => {
  const { port } = await start(t, '500 1', () => sleep(100))
  const { socket, answer } = upload(port, 'Content-Length: 3\r\nExpect: 100-continue')
  await once(socket, 'data')
  await sleep(1200)
  socket.write('abc')
  t.match(await answer, /3 bytes$/)
})

void t.test('a websocket may be silent for longer than the grace', { skip }, async (t) => {
  const { port: backend } = await tenant(t)
  const change = (text: string) => text.replace(/filter lua\.request_body .*/, 'filter lua.request_body 1000000 1')
  const { port } = await startRendered(t, { routes: [['a.test', backend]], change })
  const socket = connect(port, '127.0.0.1')
  const key = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
  const head = ['GET / HTTP/1.1', 'Host: a.test', 'Connection: Upgrade', 'Upgrade: websocket', ...key]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 101 /)
  for (const text of ['one', 'two', 'three']) {
    await sleep(700)
    socket.write(text)
    t.equal(String((await once(socket, 'data'))[0]), text)
  }
  socket.destroy()
})
