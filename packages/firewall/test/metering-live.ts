/** What the table counts, beside what was really transferred over a cable between two namespaces. */
import t from 'tap'
import { addTraffic, type Traffic } from '../src/index.ts'
import { cannotRun, createLab, joinLabs } from './support/lab.ts'
import { alice, bob, settings } from './support/settings.ts'

const megabytes = 8_000_000

void t.test('traffic() is within 2 % of what was transferred', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  const there = await createLab(t)
  await joinLabs(lab, there)
  await lab.firewall.ensure(settings)
  const [server, byAlice, byBob] = [await there.actor(0), await lab.actor(alice), await lab.actor(bob)]
  await server.serve('::', 80, { download: megabytes })
  const of = async (uid: number) => {
    const reading = (await lab.firewall.traffic()).find((one) => one.uid === uid)
    if (reading === undefined) throw new Error(`no traffic of ${uid}`)
    return reading
  }
  // Headers count: one of 52 or 72 bytes for each packet as the host handles it, at most one for 1428 of content.
  const near = (counted: number, real: number) => Math.abs(counted - real) / real

  for (const address of ['10.77.0.2', 'fd77::2']) {
    const before = await of(alice)
    t.equal(await byAlice.connect(address, 80, { wait: 5000 }), `answered by ${megabytes} bytes`)
    const after = await of(alice)
    const off = near(after.receivedBytes - before.receivedBytes, megabytes)
    t.ok(off < 0.02, `received from ${address}: ${(off * 100).toFixed(2)} % off`)
  }
  t.strictSame((await of(bob)).receivedBytes, 0, 'a neighbour’s is not touched')
  await server.serve('0.0.0.0', 81, { sink: true })
  await byBob.tell({ do: 'connect', host: '10.77.0.2', port: 81, upload: megabytes, wait: 5000 })
  const sent = near((await of(bob)).sentBytes, (await server.heard()) - 10)
  t.comment(`sent ${(await of(bob)).sentBytes}, heard ${await server.heard()}`)
  t.ok(sent < 0.02, `sent: ${(sent * 100).toFixed(2)} % off`)

  await byAlice.serve('127.0.0.1', 10_240, { download: megabytes })
  const [before, bobs] = [await of(alice), await of(bob)]
  await byAlice.connect('127.0.0.1', 10_240, { wait: 5000 })
  t.strictSame(await of(alice), before, 'loopback does not count')

  let total: Traffic = addTraffic(undefined, bobs)
  await lab.nft('add', 'chain', 'inet', 'puppy', 'stranger')
  t.match((await lab.firewall.ensure(settings)).changes, [{ action: 'replace' }])
  t.strictSame(await of(bob), bobs, 'counters are carried over a replaced table')
  await lab.nft('flush', 'ruleset')
  await lab.firewall.ensure(settings)
  total = addTraffic(total, await of(bob))
  await byBob.tell({ do: 'connect', host: '10.77.0.2', port: 81, upload: megabytes, wait: 5000 })
  total = addTraffic(total, await of(bob))
  const twice = near(total.sentBytes, (await server.heard()) - 10)
  t.ok(twice < 0.02, `the total over somebody’s flush: ${(twice * 100).toFixed(2)} % off`)
})

void t.test(
  'traffic() counts UDP that was received on a connected socket, and not on one that is not',
  { skip: cannotRun },
  async (t) => {
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
  },
)
