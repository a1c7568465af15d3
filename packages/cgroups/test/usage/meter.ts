import fc from 'fast-check'
import t from 'tap'
import { addUsage, readingOf, type Meter, type UsageReading } from '../../src/usage/meter.ts'

const reading = (cpu: number, kills = 0): UsageReading => ({
  ...readingOf({ cpu: { usageUsec: BigInt(cpu) } }),
  oomKills: BigInt(kills),
})
const all = (readings: readonly (UsageReading | undefined)[]) =>
  readings.reduce<Meter | undefined>((total, one) => addUsage(total, one), undefined)

void t.test('readingOf() adds up the devices', async (t) => {
  const device = { rbytes: 1n, wbytes: 2n, rios: 3n, wios: 4n }
  t.match(
    readingOf({
      io: new Map([
        ['8:0', device],
        ['8:16', device],
      ]),
      memory: { events: { oomKill: 5n } },
      pids: { refused: 6n },
    }),
    {
      cpuUsec: 0n,
      readBytes: 2n,
      writtenBytes: 4n,
      readOperations: 6n,
      writtenOperations: 8n,
      oomKills: 5n,
      forksRefused: 6n,
    },
  )
})

void t.test('addUsage() continues the total when a group was created again', async (t) => {
  t.match(all([reading(100, 1), reading(150, 1), reading(20, 1), reading(30, 1)]), {
    cpuUsec: 180n,
    oomKills: 2n,
    last: { cpuUsec: 30n },
  })
  t.match(
    all([reading(100), undefined, undefined, reading(120)]),
    { cpuUsec: 220n },
    'the group did not exist in between',
  )
  t.match(all([reading(100, 5), reading(150, 2)]), { cpuUsec: 150n, oomKills: 7n }, 'one counter that started again')
  t.match(all([undefined]), { cpuUsec: 0n })
})

void t.test('addUsage() never returns a lower total, or more than the sum of the readings', async () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(), { nil: undefined })), (readings) => {
      let total: Meter | undefined
      for (const one of readings) {
        const next = addUsage(total, one === undefined ? undefined : reading(one))
        if (next.cpuUsec < (total?.cpuUsec ?? 0n)) throw new Error('the total is lower')
        total = next
      }
      const sum = readings.reduce<number>((all, one) => all + (one ?? 0), 0)
      if ((total?.cpuUsec ?? 0n) > BigInt(sum)) throw new Error('the total is above the sum')
    }),
  )
})
