/** Which user reaches which port, with real nft and real sockets of real users in separate network namespaces. */
import t from 'tap'
import { cannotRun, createLab, joinLabs } from './support/lab.ts'
import { alice, api, bob, carol, dave, person, proxy, settings } from './support/settings.ts'

const refused = 'ECONNREFUSED'

void t.test(
  'a port of a slot is answered only by its owner and reached only by callers and its owner',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    const there = await createLab(t)
    await joinLabs(lab, there)
    const [byAlice, byBob, byProxy, byRoot, byPerson] = [
      await lab.actor(alice),
      await lab.actor(bob),
      await lab.actor(proxy),
      await lab.actor(0),
      await lab.actor(person),
    ]
    const outside = await there.actor(person)
    t.equal(await byAlice.serve('0.0.0.0', 10_240), 'listening')
    t.equal(await byAlice.serve('::', 10_243), 'listening')
    t.equal(await byAlice.serve('::1', 10_241), 'listening')
    t.equal(await byBob.serve('127.0.0.1', 10_242), 'listening', 'a squatter can listen')
    t.equal(await byBob.serve('0.0.0.0', 10_244, { udp: true }), 'listening')
    t.equal(await byAlice.serve('0.0.0.0', 10_245, { udp: true }), 'listening')
    t.equal(await outside.connect('10.77.0.1', 10_240), `answered by ${alice}`, 'without the table: from outside')
    t.equal(await byBob.connect('127.0.0.1', 10_240), `answered by ${alice}`, 'without the table: from another tenant')
    t.equal(await byProxy.connect('127.0.0.1', 10_242), `answered by ${bob}`, 'without the table: from a squatter')
    const heard = await byBob.heard()

    await lab.firewall.ensure(settings)
    t.equal(await byProxy.connect('127.0.0.1', 10_240), `answered by ${alice}`, 'proxy to owner')
    t.equal(await byRoot.connect('127.0.0.1', 10_240), `answered by ${alice}`, 'root to owner')
    t.equal(await byProxy.connect('::1', 10_241), `answered by ${alice}`, 'proxy to owner by ::1')
    t.equal(await byAlice.connect('127.0.0.1', 10_240), `answered by ${alice}`, 'the owner to itself')
    t.equal(await byAlice.connect('10.77.0.1', 10_240), `answered by ${alice}`, 'the owner by the host’s address')
    t.equal(
      await byProxy.connect('127.0.0.1', 10_242),
      'timeout',
      'proxy to a squatter on a port where the owner does not listen',
    )
    t.equal(await byBob.connect('127.0.0.1', 10_242), refused, 'the squatter cannot reach itself')

    const closed = await byProxy.tell({ do: 'connect', host: '127.0.0.1', port: 10_246 })
    t.equal(closed.result, refused, 'proxy to a closed port')
    for (const address of ['127.0.0.1', '127.0.0.2', '::1', '10.77.0.1', 'fd77::1']) {
      t.equal(
        await byBob.connect(address, address.includes(':') ? 10_243 : 10_240),
        refused,
        `another tenant by ${address}`,
      )
      t.equal(
        await byPerson.connect(address, address.includes(':') ? 10_243 : 10_240),
        refused,
        `a person by ${address}`,
      )
    }
    t.equal(await outside.connect('10.77.0.1', 10_240), 'timeout', 'from outside to 0.0.0.0')
    t.equal(await outside.connect('fd77::1', 10_243), 'timeout', 'from outside to ::')
    t.equal(await outside.connect('10.77.0.1', 10_245, { udp: true }), 'timeout', 'from outside by UDP')
    t.equal(await byProxy.connect('127.0.0.1', 10_245, { udp: true }), `answered by ${alice}`, 'proxy to owner by UDP')
    t.equal(await byProxy.connect('127.0.0.1', 10_244, { udp: true }), 'timeout', 'proxy to a squatter by UDP')
    t.not(await byBob.connect('127.0.0.1', 10_245, { udp: true }), `answered by ${alice}`, 'another tenant by UDP')
    // UDP has no handshake: the squatter receives the datagrams of the proxy, and cannot answer.
    t.equal((await byBob.heard()) - heard, 5, 'the squatter received nothing by TCP')
  },
)

void t.test(
  'a squatter with a full queue receives no request, although a SYN cookie has no socket',
  { skip: cannotRun },
  async (t) => {
    const lab = await createLab(t)
    const [byBob, byProxy] = [await lab.actor(bob), await lab.actor(proxy)]
    await lab.firewall.ensure(settings)
    await byBob.serve('127.0.0.1', 10_240, { backlog: 1 })
    for (let visit = 0; visit < 6; visit += 1) {
      t.equal(await byProxy.connect('127.0.0.1', 10_240, { wait: 250 }), 'timeout', `visit ${visit}`)
    }
    t.equal(await byBob.heard(), 0, 'the squatter received no request')
    const cookies = (await lab.inside('nstat', '-asz', 'TcpExtSyncookiesSent')).match(/SyncookiesSent\s+(\d+)/)?.[1]
    t.ok(Number(cookies) > 0, `cookies were sent: ${cookies}`)

    await lab.nftScript('flush chain inet puppy answer; add rule inet puppy answer meta skuid . th sport != @own drop')
    for (let visit = 0; visit < 6; visit += 1) await byProxy.connect('127.0.0.1', 10_240, { wait: 250 })
    t.ok((await byBob.heard()) > 0, 'without the rule about handshakes, the squatter receives requests')
    t.matchOnlyStrict((await lab.firewall.ensure(settings)).changes, [
      {
        facility: 'firewall',
        target: 'chain answer',
        action: 'change',
        before: 'a rule without comment',
        after:
          /^puppy:answer-own:\S+, puppy:answer-squatter:\S+, puppy:answer-cookie:\S+, puppy:answer-unjudged-tcp:\S+, puppy:answer-unjudged-udp:\S+$/,
      },
    ])
    const before = await byBob.heard()
    await byProxy.connect('127.0.0.1', 10_240, { wait: 250 })
    t.equal(await byBob.heard(), before, 'with the rule, it receives nothing')
  },
)

void t.test('a process of another user cannot answer from a guarded port', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const [byBob, byApi, byProxy, byRoot] = [
    await lab.actor(bob),
    await lab.actor(api),
    await lab.actor(proxy),
    await lab.actor(0),
  ]
  await lab.firewall.ensure(settings)
  await byApi.serve('127.0.0.1', 8420)
  t.equal(await byBob.connect('127.0.0.1', 8420), `answered by ${api}`, 'a tenant reaches the API')
  await byApi.end()
  t.equal(
    await byBob.serve('127.0.0.1', 8420, { backlog: 1 }),
    'listening',
    'while the API restarts, a tenant listens on its port',
  )
  for (let visit = 0; visit < 5; visit += 1) {
    t.equal(await byProxy.connect('127.0.0.1', 8420, { wait: 250 }), 'timeout', `call ${visit}`)
  }
  t.equal(await byRoot.connect('127.0.0.1', 8420, { wait: 250 }), 'timeout', 'call of root')
  t.equal(await byBob.heard(), 0, 'the squatter received no key')
  await byRoot.serve('127.0.0.1', 8080)
  t.equal(await byBob.connect('127.0.0.1', 8080), 'answered by 0', 'a proxy that bound as root')
})

void t.test('egress follows the policy, over IPv4 and IPv6', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const there = await createLab(t)
  await joinLabs(lab, there)
  const server = await there.actor(0)
  for (const port of [25, 53, 80, 443, 10_240, 5432]) {
    await server.serve('::', port)
  }
  await server.serve('168.63.129.16', 53, { udp: true })
  for (const port of [53, 5353]) {
    await server.serve('10.77.0.2', port, { udp: true })
    await server.serve('::', port, { udp: true })
  }
  await lab.firewall.ensure(settings)
  const ok = 'answered by 0'
  const rows: readonly (readonly [who: number, host: string, port: number, udp: boolean, result: string])[] = [
    ...[alice, bob, carol, dave].flatMap((uid) =>
      ['169.254.169.254', '168.63.129.16', 'fd00:ec2::254'].map((host) => [uid, host, 80, false, refused] as const),
    ),
    [person, '169.254.169.254', 80, false, ok],
    [0, '169.254.169.254', 80, false, ok],
    [alice, '168.63.129.16', 53, true, ok],
    ...['10.77.0.2', 'fd77::2'].flatMap((host) => [
      [alice, host, 25, false, refused] as const,
      [alice, host, 80, false, ok] as const,
      [alice, host, 5432, false, ok] as const,
      [alice, host, 10_240, false, ok] as const,
      [alice, host, 53, true, ok] as const,
      [alice, host, 5353, true, ok] as const,
      [bob, host, 25, false, ok] as const,
      [carol, host, 443, false, ok] as const,
      [carol, host, 53, false, ok] as const,
      [carol, host, 53, true, ok] as const,
      [carol, host, 25, false, refused] as const,
      [carol, host, 5432, false, refused] as const,
      [dave, host, 80, false, refused] as const,
      [person, host, 25, false, ok] as const,
      [0, host, 25, false, ok] as const,
    ]),
  ]
  const actors = new Map<number, Awaited<ReturnType<typeof lab.actor>>>()
  for (const [who, address, port, udp, result] of rows) {
    const actor = actors.get(who) ?? (await lab.actor(who))
    actors.set(who, actor)
    const more = { udp, wait: result === ok ? 3000 : 700 }
    t.equal(await actor.connect(address, port, more), result, `${who} to ${address} ${port} ${udp ? 'udp' : 'tcp'}`)
  }
  for (const [who, address] of [
    [carol, '10.77.0.2'],
    [dave, 'fd77::2'],
  ] as const) {
    const more = { udp: true, wait: 300 }
    t.not(await actors.get(who)?.connect(address, 5353, more), ok, `${who} to ${address} 5353 udp`)
  }
  await actors.get(dave)?.serve('127.0.0.1', 40_001)
  t.equal(await actors.get(dave)?.connect('127.0.0.1', 40_001), `answered by ${dave}`, 'loopback is open to `local`')
  await actors.get(alice)?.serve('127.0.0.1', 45_000)
  t.equal(await actors.get(alice)?.connect('127.0.0.1', 45_000), `answered by ${alice}`, 'ephemeral ports work')
  // The answer comes from outside to a port of a slot; see docs/firewall.md.
  for (const who of [alice, bob]) {
    const from = await actors.get(who)?.connect('10.77.0.2', 80, { localPort: 10_247 })
    t.equal(from, 'timeout', `${who} from a port of a slot to the outside`)
  }
})
