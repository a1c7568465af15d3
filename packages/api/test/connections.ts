import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { limitConnections, mostConnections } from '../src/connections.ts'

const half = 'GET / HTTP/1.1\r\nHost: half a req'
const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

async function start(t: Test, most: number) {
  const waiting: ServerResponse[] = []
  const server = createServer((_request, response) => void waiting.push(response)).listen(0, '127.0.0.1')
  limitConnections(server, most)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const open = async (text = ''): Promise<Socket> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {})
    const accepted = once(server, 'connection')
    await once(socket, 'connect')
    await accepted
    if (text === half) socket.write(text)
    else if (text !== '') {
      const arrived = once(server, 'request')
      socket.write(text)
      await arrived
    }
    return socket
  }
  return { open, waiting }
}

/** Resolves when the server has closed the connection. */
async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

void t.test('limitConnections() replaces the connection that has been silent for longest', async (t) => {
  const { open, waiting } = await start(t, 3)
  const [first, second] = [await open(), await open(half)]
  const busy = await open(request)
  const firstCloses = closed(first)
  const fourth = await open()
  await firstCloses
  t.equal(second.destroyed, false)
  waiting[0]?.end('answered')
  const [answer] = (await once(busy, 'data')) as [Buffer]
  t.match(answer.toString(), /answered/, 'a connection with a request stays')
  const secondCloses = closed(second)
  const fifth = await open(request)
  await secondCloses
  const fourthCloses = closed(fourth)
  await open(request)
  await fourthCloses
  const busyCloses = closed(busy)
  await open(request)
  await busyCloses
  t.equal(fifth.destroyed, false, 'an answered connection is silent again, one with a request is not')
})

void t.test('limitConnections() closes a new connection when all others have a request', async (t) => {
  const { open } = await start(t, 2)
  const [first, second] = [await open(request), await open(request)]
  const third = await open()
  await closed(third)
  t.strictSame([first.destroyed, second.destroyed], [false, false])
  t.equal(mostConnections, 1000, 'docs/operating.md has this number')
})
