import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { firstOutput, freePort } from '@puppy/host/testing'
import t, { type Test } from 'tap'
import { bindSocket, bindSockets } from '../src/bound-socket.ts'

const loopback = '127.0.0.1'
const program = `require('node:http').createServer((request, response) => response.end(String(process.pid)))
  .listen({ fd: 3 }, () => console.log('listens'))`

async function serve(t: Test, descriptor: number) {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit', descriptor] })
  t.teardown(() => child.kill('SIGKILL'))
  await firstOutput(child)
  return child
}

void t.test('bindSocket() keeps a port while the programs that serve it change', async (t) => {
  const port = await freePort()
  const socket = bindSocket(loopback, port)
  const visit = async () => Number(await (await fetch(`http://${loopback}:${port}/`)).text())
  const first = await serve(t, socket.descriptor)
  t.equal(await visit(), first.pid)
  first.kill('SIGKILL')
  await once(first, 'exit')
  t.throws(() => bindSocket(loopback, port), { code: 'EADDRINUSE' }, 'no other program can bind it')
  const waiting = visit()
  const second = await serve(t, socket.descriptor)
  t.equal(await waiting, second.pid, 'a connection waits for the next program')
  second.kill('SIGKILL')
  await once(second, 'exit')
  socket.close()
  bindSocket(loopback, port).close()
})

void t.test('bindSockets() binds all addresses or none, and refuses with the errno', async (t) => {
  const other = createServer().listen(0, loopback)
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  t.throws(() => bindSockets(['127.0.0.2', loopback], port), { code: 'EADDRINUSE' })
  const [one, two] = bindSockets(['127.0.0.2', '127.0.0.3'], port)
  t.not(one?.descriptor, two?.descriptor, 'the first address was free again')
  for (const socket of [one, two]) socket?.close()
  // TEST-NET-1 of RFC 5737: no machine has it.
  t.throws(() => bindSocket('192.0.2.1', port), { code: 'EADDRNOTAVAIL' })
})
