import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { findHolders, parseListeners, readListeners } from '../src/listeners.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

void t.test('parseListeners() reads listening sockets and nothing else', (t) => {
  const rest = '00000000:00000000 00:00000000 00000000 10000        0 4711 1 0 100 0 0 10 0\n'
  const text = `${head}   0: 0100007F:2801 00000000:0000 0A ${rest}   1: 0100007F:2802 0100007F:1234 01 ${rest}`
  t.strictSame(parseListeners(text, 'ipv4'), [
    { address: '127.0.0.1', family: 'ipv4', port: 10_241, uid: 10_000, inode: 4711 },
  ])
  t.strictSame(parseListeners(text, 'ipv6'), [], 'the other family has longer addresses')
  const big = `${head}   0: 7F000001:0050 00000000:0000 0A ${rest}`
  t.strictSame(parseListeners(big, 'ipv4', 'BE'), [
    { address: '127.0.0.1', family: 'ipv4', port: 80, uid: 10_000, inode: 4711 },
  ])
  t.end()
})

void t.test('parseListeners() writes IPv6 addresses as people do', (t) => {
  const row = (address: string) =>
    `   0: ${address}:2801 ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n`
  const addresses = ['0'.repeat(32), `${'0'.repeat(24)}01000000`, 'B80D0120000000000000000001000000']
  t.strictSame(
    addresses.map((address) => parseListeners(head + row(address), 'ipv6')[0]?.address),
    ['::', '::1', '2001:db8::1'],
  )
  t.end()
})

void t.test('parseListeners() takes any text', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => Array.isArray(parseListeners(text, 'ipv6'))))
  t.end()
})

for (const [address, family] of [
  ['127.0.0.1', 'ipv4'],
  ['::1', 'ipv6'],
] as const) {
  void t.test(`readListeners() finds our own ${family} socket`, async (t) => {
    const server = createServer().listen(0, address)
    const opened = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ])
    if (!opened) {
      t.pass('no loopback', { skip: `no ${family} loopback here` })
      return
    }
    const { port } = server.address() as AddressInfo
    const listeners = await readListeners(createHost())
    const ours = listeners.filter((listener) => listener.port === port && listener.family === family)
    t.matchOnlyStrict(ours, [{ address, family, port, uid: process.getuid?.(), inode: Number }])
    const holders = await findHolders(createHost(), ours)
    server.close()
    const pids = ours.flatMap(({ inode }) => holders.get(inode) ?? []).map(({ pid }) => pid)
    t.ok(pids.includes(process.pid), 'and that we hold it')
  })
}

void t.test('findHolders() names every process that holds a socket, and looks only at its user’s', async (t) => {
  const status = (pid: number, uid: number, name: string) =>
    `Name:\t${name}\nState:\tS (sleeping)\nPid:\t${pid}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nThreads:\t1\n`
  const host = createFakeHost({
    files: {
      '/proc/7/status': status(7, 10_000, 'python3'),
      '/proc/8/status': status(8, 10_000, 'worker'),
      '/proc/9/status': status(9, 10_001, 'other'),
      '/proc/uptime': '1',
    },
    links: {
      '/proc/7/fd/0': '/dev/null',
      '/proc/7/fd/3': 'socket:[4711]',
      '/proc/7/fd/4': 'socket:[4712]',
      '/proc/7/fd/5': 'socket:[4711]',
      '/proc/8/fd/3': 'socket:[4711]',
      '/proc/9/fd/3': 'socket:[4711]',
    },
  })
  const listener = { address: '127.0.0.1', family: 'ipv4', port: 10_241, uid: 10_000, inode: 4711 } as const
  const holders = await findHolders(host, [listener])
  t.strictSame(
    [...holders].map(([inode, processes]) => [inode, processes.map(({ pid, command }) => [pid, command])]),
    [
      [
        4711,
        [
          [7, 'python3'],
          [8, 'worker'],
        ],
      ],
    ],
  )
  t.strictSame([...(await findHolders(host, [{ ...listener, inode: 1 }]))], [])
  t.strictSame([...(await findHolders(host, []))], [])
})
