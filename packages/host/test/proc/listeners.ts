import { once } from 'node:events'
import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { matchWhole } from '../support/match-whole.ts'
import { createFakeHost } from '../../src/fake/index.ts'
import { createHost } from '../../src/index.ts'
import { findHolders, parseListeners, readListeners } from '../../src/proc/index.ts'

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'

void t.test('parseListeners() returns only listening sockets', (t) => {
  const rest = '00000000:00000000 00:00000000 00000000 10000        0 4711 1 0 100 0 0 10 0\n'
  const text = `${head}   0: 0100007F:2801 00000000:0000 0A ${rest}   1: 0100007F:2802 0100007F:1234 01 ${rest}`
  t.strictSame(parseListeners(text, 'ipv4'), [
    { address: '127.0.0.1', family: 'ipv4', port: 10_241, uid: 10_000, inode: 4711 },
  ])
  t.strictSame(parseListeners(text, 'ipv6'), [], 'the other family has longer addresses')
  const big = `${head}   0: 7F000001:0050 00000000:0000 0A ${rest}`
  matchWhole(t, parseListeners(big, 'ipv4', 'BE'), [{ address: '127.0.0.1', port: 80 }])
  t.equal(parseListeners(big, 'ipv4', 'BE').length, 1)
  const others = [
    big.replaceAll('\n', '\r'),
    big.slice(0, big.indexOf(' 4711') + 3),
    big.replace('10000', '1'.repeat(11)),
    big.replace('4711', '1'.repeat(16)),
    big.replace('0050', '00050'),
    big.replace(' 0A ', ' 01 '),
    big.replace(' 0A ', ' 0a '),
  ]
  for (const text of others) t.strictSame(parseListeners(text, 'ipv4', 'BE'), [], JSON.stringify(text))
  t.end()
})

void t.test('parseListeners() renders IPv6 addresses in the usual notation', (t) => {
  const row = (address: string) =>
    `   0: ${address}:2801 ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n`
  const addresses = ['0'.repeat(32), `${'0'.repeat(24)}01000000`, 'B80D0120000000000000000001000000']
  t.strictSame(
    addresses.map((address) => parseListeners(head + row(address), 'ipv6')[0]?.address),
    ['::', '::1', '2001:db8::1'],
  )
  t.end()
})

void t.test('parseListeners() accepts any text', (t) => {
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
    t.equal(ours.length, 1)
    matchWhole(t, ours, [{ address, family, uid: process.getuid?.() }])
    const holders = await findHolders(createHost(), ours)
    server.close()
    const pids = ours.flatMap(({ inode }) => holders.get(inode) ?? []).map(({ pid }) => pid)
    t.ok(pids.includes(process.pid), 'findHolders() finds this process')
  })
}

const socket = (n: number, state: string, uid: number, port = '2800') =>
  `${String(n).padStart(4)}: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${4711 + n} 1 0000000000000000 100 0 0 10 0\n`

void t.test(
  'readListeners() reads a table of 100 MB in little time and memory, and finds what is hidden in it',
  async (t) => {
    const root = t.testdir({ proc: { net: {} } })
    const many = 300_000
    const lines = [head]
    for (let n = 0; n < many; n += 1) lines.push(socket(n, '0A', 10_001))
    lines.push(socket(many, '0A', 10_002))
    // Connections follow. Reading them would take ten times as long.
    const connections = Array.from({ length: 10_000 }, (_, n) => socket(many + n, '01', 0)).join('')
    writeFileSync(`${root}/proc/net/tcp`, lines.join(''))
    for (let n = 0; n < 50; n += 1) appendFileSync(`${root}/proc/net/tcp`, connections)
    t.ok(
      statSync(`${root}/proc/net/tcp`).size > 100 * 1024 * 1024,
      'the table is longer than any text that is read whole',
    )
    const before = process.memoryUsage().rss
    const started = performance.now()
    const listeners = await readListeners(createHost({ root }))
    const took = performance.now() - started
    t.equal(listeners.length, 17, 'sixteen of one user and port, and the other user')
    t.equal(listeners.at(-1)?.uid, 10_002)
    t.ok(took < 10_000, `${Math.round(took)} ms`)
    const grown = (process.memoryUsage().rss - before) / 1024 / 1024
    t.ok(grown < 200, `${Math.round(grown)} MiB`)
    t.comment(`${Math.round(took)} ms, ${Math.round(grown)} MiB`)
  },
)

void t.test('readListeners() stops at the first connection', async (t) => {
  const host = createFakeHost({
    files: { '/proc/net/tcp': head + socket(0, '0A', 1) + socket(1, '01', 1) + socket(2, '0A', 2) },
  })
  t.strictSame(
    (await readListeners(host)).map(({ uid }) => uid),
    [1],
  )
  t.strictSame(await readListeners(createFakeHost({ files: {} })), [], 'without a table')
})

void t.test('the kernel lists listening sockets before connections', async (t) => {
  const servers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const server = createServer((connection) => connection.on('error', () => {})).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
      await once(client, 'connect')
      return { server, client }
    }),
  )
  const states = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .slice(1, -1)
    .map((line) => line.trim().split(/\s+/)[3])
  const last = states.lastIndexOf('0A')
  t.ok(states.includes('01'), 'a connection')
  t.strictSame(
    states.slice(0, last + 1).filter((state) => state !== '0A'),
    [],
  )
  const found = await readListeners(createHost())
  for (const { server, client } of servers) {
    const { port } = server.address() as AddressInfo
    t.ok(found.some((listener) => listener.port === port))
    client.destroy()
    server.close()
  }
})

void t.test(
  'findHolders() finds every process that holds a socket, and reads only processes of its user',
  async (t) => {
    const status = (pid: number, uid: number, name: string) =>
      `Name:\t${name}\nState:\tS (sleeping)\nPid:\t${pid}\nPPid:\t1\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t1\t1\t1\t1\nThreads:\t1\n`
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
      [...holders].map(([inode, processes]) => [inode, processes.map(({ pid, name }) => [pid, name])]),
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
  },
)

void t.test('findHolders() reads at most 20,000 descriptors, and ignores other links', async (t) => {
  const status = (pid: number) =>
    `Name:\tx\nState:\tS (sleeping)\nPid:\t${pid}\nPPid:\t1\nUid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nThreads:\t1\n`
  const listener = { address: '127.0.0.1', family: 'ipv4', port: 1, uid: 7, inode: 5 } as const
  const hostOf = (more: Readonly<Record<string, string>>) => {
    const files = Object.fromEntries([3, 4].map((pid) => [`/proc/${pid}/status`, status(pid)]))
    return createFakeHost({ files, links: { '/proc/4/fd/3': 'socket:[5]', ...more } })
  }
  const found = async (more: Readonly<Record<string, string>>) =>
    ((await findHolders(hostOf(more), [listener])).get(5) ?? []).map(({ pid }) => pid)
  t.strictSame(await found({ '/proc/3/fd/9': '/tmp/socket:[5]', '/proc/3/fd/8': 'socket:[5] (deleted)' }), [4])
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, fd) => [`/proc/3/fd/${fd}`, '/dev/null']))
  t.strictSame(await found(many), [], 'the first process has more than the limit')
})
