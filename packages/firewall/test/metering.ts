import fc from 'fast-check'
import t from 'tap'
import { addTraffic, parseTraffic, type Traffic, type TrafficReading } from '../src/metering.ts'
import { parseListing } from '../src/nft/parse.ts'

const reading = (bytes: number, uid = 7): TrafficReading => ({
  uid,
  sentBytes: bytes,
  sentPackets: bytes,
  receivedBytes: bytes,
  receivedPackets: bytes,
})

void t.test('parseTraffic() joins both directions by uid', async (t) => {
  const set = (name: string, ...rows: readonly (readonly number[])[]) => ({
    set: {
      name,
      type: 'uid',
      stmt: [{ counter: null }],
      elem: rows.map(([val, packets, bytes]) => ({ elem: { val, counter: { packets, bytes } } })),
    },
  })
  const objects = [{ table: { name: 'x' } }, set('sent', [9, 1, 100], [8, 2, 200]), set('received', [9, 3, 300])]
  t.strictSame(parseTraffic(parseListing(JSON.stringify({ nftables: objects }), 'x')), [
    { uid: 8, sentBytes: 200, sentPackets: 2, receivedBytes: 0, receivedPackets: 0 },
    { uid: 9, sentBytes: 100, sentPackets: 1, receivedBytes: 300, receivedPackets: 3 },
  ])
  t.strictSame(parseTraffic(parseListing('{"nftables":[{"table":{}}]}', 'x')), [])
})

void t.test('addTraffic() continues the total after a reset of the counters', async (t) => {
  const total = [100, 150, 150, 20, 30].reduce<Traffic | undefined>(
    (sum, bytes) => addTraffic(sum, reading(bytes)),
    undefined,
  )
  t.match(total, { sentBytes: 180, receivedPackets: 180, last: { sentBytes: 30 } })
})

void t.test('addTraffic() treats one smaller number as a reset of all counters', async (t) => {
  const total = addTraffic(addTraffic(undefined, reading(100)), { ...reading(200), receivedBytes: 10 })
  t.match(total, { sentBytes: 300, receivedBytes: 110 })
})

void t.test('addTraffic() never decreases and never exceeds the sum of readings', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat()), (readings) => {
      let total: Traffic | undefined
      for (const bytes of readings) {
        const next = addTraffic(total, reading(bytes))
        if (next.sentBytes < (total?.sentBytes ?? 0)) throw new Error('the total decreased')
        total = next
      }
      const sum = readings.reduce((all, bytes) => all + bytes, 0)
      if ((total?.sentBytes ?? 0) > sum) throw new Error('the total exceeds the readings')
    }),
  )
})

void t.test('addTraffic() refuses the reading of another tenant', async (t) => {
  t.throws(() => addTraffic(addTraffic(undefined, reading(1)), reading(2, 8)), { code: 'FIREWALL_INVALID' })
})
