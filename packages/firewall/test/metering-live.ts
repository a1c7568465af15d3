/** Compares the counters of the table with the bytes on a veth cable between two namespaces. */
import t from 'tap'
import { addTraffic, type Traffic } from '../src/index.ts'
import { cableOf, cannotRun, createLab, joinLabs } from './support/lab.ts'
import { alice, bob, settings } from './support/settings.ts'

const megabytes = 8_000_000

void t.test('traffic() is within 2 % of the bytes on the cable', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const there = await createLab(t)
  await joinLabs(lab, there)
  await lab.firewall.ensure(settings)
  const [server, byAlice, byBob] = [await there.actor(0), await lab.actor(alice), await lab.actor(bob)]
  await server.serve('::', 80, { download: megabytes })
  await server.serve('0.0.0.0', 81, { sink: true })
  const of = async (uid: number) => {
    const reading = (await lab.firewall.traffic()).find((one) => one.uid === uid)
    if (reading === undefined) throw new Error(`no traffic of ${uid}`)
    return reading
  }
  /** Each packet has a header of 52 or 72 bytes. Where packets are segmented late, there is only one header in 64 KB. */
  const check = (what: string, counted: number, cable: number) => {
    const [off, above] = [Math.abs(counted - cable) / cable, counted / megabytes - 1]
    t.ok(off < 0.02, `${what}: ${(off * 100).toFixed(2)} % away from the IP bytes on the cable`)
    t.ok(above > 0 && above < 0.5, `${(above * 100).toFixed(2)} % above the content`)
  }
  const upload = () => byBob.tell({ do: 'connect', host: '10.77.0.2', port: 81, upload: megabytes, wait: 5000 })

  for (const address of ['10.77.0.2', 'fd77::2']) {
    const [before, cable] = [await of(alice), await cableOf(lab)]
    t.equal(await byAlice.connect(address, 80, { wait: 5000 }), `answered by ${megabytes} bytes`)
    const received = (await of(alice)).receivedBytes - before.receivedBytes
    check(`received from ${address}`, received, (await cableOf(lab)).received - cable.received)
  }
  t.equal((await of(bob)).receivedBytes, 0, 'the counters of another tenant do not change')
  const cable = await cableOf(lab)
  await upload()
  check('sent', (await of(bob)).sentBytes, (await cableOf(lab)).sent - cable.sent)

  await byAlice.serve('127.0.0.1', 10_240, { download: megabytes })
  const [before, bobs] = [await of(alice), await of(bob)]
  await byAlice.connect('127.0.0.1', 10_240, { wait: 5000 })
  t.strictSame(await of(alice), before, 'loopback does not count')

  let total: Traffic = addTraffic(undefined, bobs)
  await lab.nft('add', 'chain', 'inet', 'puppy', 'foreign')
  t.matchOnlyStrict((await lab.firewall.ensure(settings)).changes, [
    { facility: 'firewall', target: 'table', action: 'replace', before: 'chain "foreign"', after: /^\d+ chains, / },
  ])
  t.strictSame(await of(bob), bobs, 'counters keep their values when the table is repaired')
  await lab.nft('flush', 'ruleset')
  await lab.firewall.ensure(settings)
  total = addTraffic(total, await of(bob))
  await upload()
  total = addTraffic(total, await of(bob))
  check(
    'the total across a flush by another program',
    total.sentBytes / 2,
    ((await cableOf(lab)).sent - cable.sent) / 2,
  )
})

void t.test('traffic() counts received UDP on a connected socket only', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const there = await createLab(t)
  await joinLabs(lab, there)
  await lab.firewall.ensure(settings)
  const [server, byAlice, byBob] = [await there.actor(0), await lab.actor(alice), await lab.actor(bob)]
  await server.serve('0.0.0.0', 5353, { udp: true })
  await byAlice.connect('10.77.0.2', 5353, { udp: true })
  await byBob.connect('10.77.0.2', 5353, { udp: true, unconnected: true })
  const readings = await lab.firewall.traffic()
  const of = (uid: number) => readings.find((reading) => reading.uid === uid)
  t.match(of(alice), { sentPackets: 1, sentBytes: 33, receivedPackets: 1, receivedBytes: 29 })
  t.match(of(bob), { sentPackets: 1, sentBytes: 33, receivedPackets: 0 })
})
