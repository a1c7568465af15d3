import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { StartError } from '@puppy/state'
import { listen } from '../src/server.ts'
import { isRoot } from '@puppy/host/testing'
import { nobody } from '@puppy/state/testing'

const loopback = '127.0.0.1'

void t.test('listen() returns the URL', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/', async () => 'hello')
  const address = await listen(app, { host: loopback, port: 0 })
  t.match(address, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal(await (await fetch(address)).text(), 'hello')
})

async function refusal(at: { readonly host: string; readonly port: number }): Promise<unknown> {
  const app = Fastify()
  try {
    return await listen(app, at)
  } catch (error) {
    return error
  } finally {
    await app.close()
  }
}

void t.test('listen() refuses a port that another program uses', async (t) => {
  const other = createServer().listen(0, loopback)
  await new Promise((resolve) => other.once('listening', resolve))
  t.teardown(() => other.close())
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const error = await refusal({ host: loopback, port })
  t.ok(error instanceof StartError)
  t.match(error, {
    message: `Cannot listen on ${loopback}:${port}: another program listens there; stop that program or set PUPPY_LISTEN`,
  })
})

void t.test('listen() refuses an address that the machine does not have', async (t) => {
  // TEST-NET-1 of RFC 5737: no machine has it.
  const error = await refusal({ host: '192.0.2.1', port: 0 })
  t.ok(error instanceof StartError)
  t.match(error, { message: 'Cannot listen on 192.0.2.1:0: this machine does not have that address; set PUPPY_LISTEN' })
})

void t.test('listen() reports other errors with the message of the system', async (t) => {
  const error = await refusal({ host: loopback, port: 70_000 })
  t.ok(error instanceof StartError)
  t.match(error, { message: /^Cannot listen on 127\.0\.0\.1:70000: .*65536/ })
})

const openPorts = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
const skip = openPorts <= 1 && 'every user of this machine may open port 1'
void t.test('listen() reports that only root can open low ports', { skip }, async (t) => {
  if (isRoot) {
    process.seteuid?.(nobody.uid)
    t.teardown(() => process.seteuid?.(0))
  }
  const error = await refusal({ host: loopback, port: 1 })
  t.ok(error instanceof StartError)
  t.match(error, { message: /^Cannot listen on 127\.0\.0\.1:1: only root can open ports below 1024/ })
})
