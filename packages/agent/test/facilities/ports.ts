import { slotAt } from '@puppy/accounts'
import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import t from 'tap'
import type { Tenant, View } from '../../src/facilities/facility.ts'
import { portsFacility } from '../../src/facilities/ports.ts'
import { smallLayout } from '../support/rows.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [blog, curious] = slots.map((slot, index) => ({ id: index + 7, slot }) as Tenant) as [Tenant, Tenant]
const view = (more: Partial<View> = {}): View => ({
  complete: true,
  builtSlots: slots.map((slot) => ({ slot, egress: 'default', free: false })),
  tenants: [blog, curious],
  routes: [],
  suspended: [],
  goneRoutes: [],
  ...more,
})

interface Socket {
  readonly port: number
  readonly uid: number
  readonly inode?: number
}

/** Renders lines of /proc/net/tcp for sockets on 127.0.0.1, as a little-endian machine writes them. */
function tcp(sockets: readonly Socket[]): string {
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0')
  const line = ({ port, uid, inode = 4711 }: Socket, index: number) =>
    `   ${index}: 0100007F:${hex(port)} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 ${uid}        0 ${inode} 1\n`
  return sockets.map(line).join('')
}

function open(
  sockets: readonly Socket[],
  options: { readonly firewallStands?: boolean; readonly live?: boolean } = {},
) {
  const squatter = curious.slot
  const host = createFakeHost({
    live: options.live ?? true,
    files: {
      '/etc/passwd': `${squatter.user}:x:${squatter.uid}:${squatter.uid}::/home/x:/bin/bash\n`,
      '/proc/net/tcp': tcp(sockets),
      ...renderFakeProcess({ pid: 4242, uid: squatter.uid, name: 'python3' }),
      ...renderFakeProcess({ pid: 4243, uid: squatter.uid, name: 'wor\u001bker' }),
    },
    links: { '/proc/4242/fd/3': 'socket:[4711]', '/proc/4243/fd/3': 'socket:[4711]' },
  })
  return { host, facility: portsFacility({ host, firewallStands: () => options.firewallStands ?? true }) }
}

const first = blog.slot.ports[0] ?? 0
const third = blog.slot.ports[2] ?? 0
const mine = { type: 'ports', status: 'true', reason: 'own' }

void t.test('portsFacility() reports another user’s listener on a port, and the command that ends it', async (t) => {
  const { facility, host } = open([{ port: third, uid: curious.slot.uid }])
  const step = await facility.serve!(view(), signal)
  t.strictSame(step.changes, [])
  t.strictSame(
    [...(await step.apply()).accounts],
    [
      [
        7,
        {
          type: 'ports',
          status: 'false',
          reason: 'squatted',
          message: `another user uses a port of this account: python3 (pid 4242), wor\\u001bker (pid 4243) of user ${curious.slot.user} listens on 127.0.0.1:${third}; the firewall blocks connections to it; end it with "kill 4242 4243"`,
        },
      ],
      [8, mine],
    ],
  )
  t.strictSame(step.foreseen, await step.apply(), 'a dry run reports it too')
  t.strictSame(host.commands, [], 'no process is ended')
})

void t.test('portsFacility() reports that the firewall rules are not loaded', async (t) => {
  const { facility } = open([{ port: first, uid: curious.slot.uid }], { firewallStands: false })
  const { accounts } = await (await facility.serve!(view(), signal)).apply()
  t.match(
    accounts.get(7)?.message,
    /; the firewall rules are not loaded, so it receives every connection to this port; /,
  )
})

for (const [title, sockets] of [
  ['no listener', []],
  ['the tenant itself', [{ port: first, uid: blog.slot.uid }]],
  ['root, as with socket activation', [{ port: first, uid: 0 }]],
  ['other users on ports of no slot', [{ port: 22, uid: 33 }]],
] as const) {
  void t.test(`portsFacility() accepts ${title}`, async (t) => {
    const { facility } = open(sockets)
    const { accounts } = await (await facility.serve!(view(), signal)).apply()
    t.strictSame([...accounts.values()], [mine, mine])
    t.strictSame(await facility.inspect!(view(), signal), [
      { works: true, what: 'no other user listens on a port of a slot' },
    ])
  })
}

void t.test('portsFacility() reports uid and port of a process that it cannot find', async (t) => {
  const { facility } = open([{ port: first, uid: 65_534, inode: 1 }])
  const { accounts } = await (await facility.serve!(view(), signal)).apply()
  t.match(
    accounts.get(7)?.message,
    `another user uses a port of this account: a process of uid 65534 listens on 127.0.0.1:${first}; the firewall blocks connections to it; find it with "ss -ltnp sport = :${first}"`,
  )
})

void t.test('portsFacility() shortens the message when another user takes every port', async (t) => {
  const { facility } = open(blog.slot.ports.map((port) => ({ port, uid: curious.slot.uid })))
  const { accounts } = await (await facility.serve!(view(), signal)).apply()
  t.match(accounts.get(7)?.message, /and 3 more; .*end it with "kill 4242 4243"$/)
  t.equal((await facility.inspect!(view(), signal)).length, 8)
})

void t.test('portsFacility() reads /proc only in a complete pass', async (t) => {
  const { facility, host } = open([{ port: first, uid: curious.slot.uid }])
  const reasons = async (complete: boolean) => {
    const { accounts } = await (await facility.serve!(view({ complete }), signal)).apply()
    return [...accounts.values()].map(({ reason }) => reason)
  }
  t.strictSame(await reasons(false), ['squatted', 'own'], 'the first pass reads it too')
  await host.replace('/proc/net/tcp', '')
  t.strictSame(await reasons(false), ['squatted', 'own'])
  t.strictSame(await reasons(true), ['own', 'own'])
})

void t.test('portsFacility() reports a listener to the doctor, also on a slot without an account', async (t) => {
  const { facility } = open([{ port: first, uid: curious.slot.uid }])
  t.matchOnlyStrict(await facility.inspect!(view({ tenants: [] }), signal), [
    {
      works: false,
      what: `port ${first} of ${blog.slot.user}`,
      otherwise: /^python3 \(pid 4242\).* listens on .*end it with "kill 4242 4243"$/,
    },
  ])
})

void t.test('portsFacility() does not work on a host that is only a folder', async (t) => {
  t.match(await open([], { live: false }).facility.probe(signal), { works: false, reason: /folder/ })
  t.match(await open([]).facility.probe(signal), { works: true })
})
