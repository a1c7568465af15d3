/** A process that becomes one user and opens sockets on request. Each request and each answer is a line of JSON. */
import { createSocket } from 'node:dgram'
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Order, Outcome } from './lab.ts'

const uid = Number(process.argv[2])
let heard = 0

async function serve(order: Order): Promise<Outcome> {
  const { host, port, backlog = 16, udp = false } = order
  return new Promise((settle) => {
    if (udp) {
      const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') })
      socket.on('error', (error) => settle({ result: codeOf(error) }))
      socket.on('message', (message, from) => {
        heard += message.length
        socket.send(String(uid), from.port, from.address)
      })
      socket.bind(port, host, () => settle({ result: 'listening' }))
      return
    }
    const server = createServer({ allowHalfOpen: order.sink === true }, (socket) => {
      socket.on('end', () => socket.end(String(uid)))
      socket.on('error', () => socket.destroy())
      socket.on('data', (data) => {
        heard += data.length
        if (order.sink === true) return
        if (order.download === undefined) socket.end(String(uid))
        else socket.end(Buffer.alloc(order.download))
      })
    })
    server.on('error', (error) => settle({ result: codeOf(error) }))
    server.listen({ host, port, backlog }, () => settle({ result: 'listening' }))
  })
}

async function connect(order: Order): Promise<Outcome> {
  const { host, port, localPort, udp = false } = order
  const wait = order.wait ?? 1500
  return new Promise((settle) => {
    const started = performance.now()
    let received = 0
    let text = ''
    const done = (result: string) => settle({ result, received, ms: performance.now() - started })
    if (udp) {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      socket.on('message', (message) => done(`answered by ${message.toString()}`))
      socket.on('error', (error) => done(codeOf(error)))
      setTimeout(() => done('timeout'), wait)
      socket.bind(localPort ?? 0, () => {
        if (order.unconnected === true) {
          socket.send('hello', port, host, (error) => error !== null && done(codeOf(error)))
          return
        }
        socket.connect(port, host, () => socket.send('hello', (error) => error !== null && done(codeOf(error))))
      })
      return
    }
    const socket = createConnection({ host, port, ...(localPort === undefined ? {} : { localPort }) })
    socket.setTimeout(wait, () => {
      done(text === '' ? 'timeout' : 'cut')
      socket.destroy()
    })
    socket.on('connect', () => {
      if (order.upload === undefined) socket.write('hello')
      else socket.end(Buffer.alloc(order.upload))
    })
    socket.on('data', (data) => {
      received += data.length
      if (text.length < 64) text += data.toString('latin1')
    })
    socket.on('error', (error) => done(codeOf(error)))
    socket.on('end', () => done(`answered by ${received > 64 ? `${received} bytes` : text}`))
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

process.setgroups?.([])
process.setgid?.(uid)
process.setuid?.(uid)
console.log(JSON.stringify({ result: 'ready' }))
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order
  if (order.do === 'heard') console.log(JSON.stringify({ result: String(heard) }))
  else console.log(JSON.stringify(order.do === 'serve' ? await serve(order) : await connect(order)))
}
process.exit(0)
