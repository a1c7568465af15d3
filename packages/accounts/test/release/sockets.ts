import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/index.ts'
import { closeSockets, parseSockets } from '../../src/release/sockets.ts'

const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
const text = `tcp   LISTEN 0      511        127.0.0.1:10240      0.0.0.0:*    uid:10000 ino:4711 sk:5 cgroup:/user.slice <->
udp   UNCONN 0      0             [::1]%lo:10241         [::]:*    uid:10000 ino:4712 sk:6 cgroup:/user.slice v6only:1 <->
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    ino:1 sk:1 cgroup:/system.slice/ssh.service <->
tcp   LISTEN 0      128        127.0.0.1:10248      0.0.0.0:*    uid:10005 ino:9 sk:9 cgroup:/a uid:10001 <->
`

void t.test('parseSockets() reads protocol, port and creator', (t) => {
  t.strictSame(parseSockets(text), [
    { protocol: 'tcp', port: 10_240, uid: 10_000 },
    { protocol: 'udp', port: 10_241, uid: 10_000 },
    { protocol: 'tcp', port: 10_248, uid: 10_005 },
  ])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (any) => parseSockets(any).every(({ uid }) => uid >= 0)))
  t.end()
})

void t.test(
  'closeSockets() closes sockets of a tenant on its own ports, and returns those that are left',
  async (t) => {
    const machine = (after: string) => {
      let killed = false
      return createFakeHost({
        programs: {
          '/usr/bin/ss': ({ args }) => {
            if (args.includes('--kill')) killed = true
            return { stdout: killed ? after : text }
          },
        },
      })
    }
    const host = machine('')
    t.strictSame(await closeSockets(host, slots), new Map())
    t.strictSame(
      host.commands.filter((command) => command.includes('--kill')).map((command) => command.slice(3)),
      [
        ['--tcp', 'sport', '=', ':10240'],
        ['--udp', 'sport', '=', ':10241'],
      ],
    )
    t.strictSame(
      await closeSockets(machine(text), slots),
      new Map([
        [
          10_000,
          [
            'a tcp socket on port 10240 that another process holds',
            'a udp socket on port 10241 that another process holds',
          ],
        ],
      ]),
    )
  },
)

void t.test('closeSockets() finds listening sockets without ss, and closes none', async (t) => {
  const line = (port: string, uid: number) =>
    `   0: 0100007F:${port} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 ${uid}        0 4711 1 x\n`
  const table = `  sl  local_address\n${line('2800', 10_000)}${line('2808', 10_000)}${line('2801', 10_007)}`
  const host = createFakeHost({ files: { '/proc/net/tcp': table } })
  const left = await closeSockets(host, slots)
  t.strictSame(left, new Map([[10_000, ['a tcp socket on port 10240 that another process holds']]]))
  t.strictSame(host.commands, [])
})
