import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { isRoot } from '@puppy/host/testing'
import { StartError } from '@puppy/state'
import t from 'tap'
import { listenError } from '../src/listen-error.ts'

const failed = (code: string, message = code) => Object.assign(new Error(message), { code })

void t.test('listenError() names the program that has the port', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const error = await listenError(createHost(), { host: '127.0.0.1', port }, failed('EADDRINUSE'))
  t.ok(error instanceof StartError)
  const who = isRoot ? `process ${process.pid} \\(\\S+\\) of the user root \\(uid 0\\)` : '.*'
  t.match(
    error.message,
    new RegExp(
      `^Cannot listen on 127\\.0\\.0\\.1:${port}: another program listens there: ${who}; stop that program or set PUPPY_LISTEN$`,
    ),
  )
})

void t.test('listenError() says why in one line', async (t) => {
  const rows: [host: string, error: Error, message: string][] = [
    [
      '::1',
      failed('EADDRINUSE'),
      'Cannot listen on [::1]:80: another program listens there; stop that program or set PUPPY_LISTEN',
    ],
    [
      '::1',
      failed('EACCES'),
      'Cannot listen on [::1]:80: only root can open ports below 1024, and the API is not root; set PUPPY_LISTEN',
    ],
    [
      '192.0.2.1',
      failed('EADDRNOTAVAIL'),
      'Cannot listen on 192.0.2.1:80: this machine does not have that address; set PUPPY_LISTEN',
    ],
    ['localhost', failed('ENOTFOUND'), 'Cannot listen on localhost:80: this name has no address; set PUPPY_LISTEN'],
    ['127.0.0.1', failed('EMFILE', 'too many files'), 'Cannot listen on 127.0.0.1:80: too many files'],
  ]
  for (const [host, error, message] of rows)
    t.match(await listenError(createFakeHost(), { host, port: 80 }, error), { message })
})
