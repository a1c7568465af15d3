/**
 * Visits a proxy: `node visitors.ts PORT CONNECTIONS`. For each input line `MILLISECONDS`, sends requests as fast as possible for that time
 * and prints the number of answers.
 */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

const [port = 0, connections = 1] = process.argv.slice(2).map(Number)
const request = 'GET / HTTP/1.1\r\nhost: example.org\r\n\r\n'
let open = false
let served = 0

async function visitor(): Promise<Socket> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  let rest = 0
  socket.on('data', (data) => {
    // An answer may arrive in pieces. It is complete by its length, because all answers have the same length.
    rest += data.length
    if (rest < answerLength) return
    rest = 0
    served += 1
    if (open) socket.write(request)
  })
  await once(socket, 'connect')
  return socket
}

let answerLength = 0
const first = createConnection({ port, host: '127.0.0.1' })
first.write(request)
const [answer] = (await once(first, 'data')) as [Buffer]
if (!answer.toString('latin1').startsWith('HTTP/1.1 200'))
  throw new Error(`Cannot visit port ${port}: the answer is ${answer.toString('latin1')}`)
answerLength = answer.length
first.destroy()
const visitors = await Promise.all(Array.from({ length: connections }, visitor))
console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  served = 0
  open = true
  const started = performance.now()
  for (const socket of visitors) socket.write(request)
  await new Promise((done) => setTimeout(done, Number(line)))
  open = false
  console.log(JSON.stringify({ served, ms: performance.now() - started }))
  // Wait for the outstanding answers before the next round.
  await new Promise((done) => setTimeout(done, 100))
}
process.exit(0)
