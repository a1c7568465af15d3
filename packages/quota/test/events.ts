import fc from 'fast-check'
import t from 'tap'
import { findEvents, type ReportedEvents } from '../src/events.ts'
import { emptyReading, type Meter, type QuotaReading } from '../src/report.ts'

const reading = (used: number, more: Partial<Meter> = {}): QuotaReading => ({
  ...emptyReading(5),
  bytes: { used, soft: 'none', hard: 1000, status: 'ok', ...more },
})

/** Returns the events of each comparison, one reading after the other. */
function look(...readings: readonly QuotaReading[]): readonly (readonly string[])[] {
  let reported: ReportedEvents = {}
  return readings.map((one) => {
    const found = findEvents([one], reported)
    reported = JSON.parse(JSON.stringify(found.reported)) as ReportedEvents
    return found.events.map(({ type, percent }) => (percent === undefined ? type : `${type} ${percent}`))
  })
}

void t.test('findEvents() reports each threshold once, with hysteresis', async (t) => {
  t.strictSame(look(...[100, 800, 850, 799, 801, 770, 769, 810].map((used) => reading(used))), [
    [],
    ['threshold 80'],
    [],
    [],
    [],
    [],
    ['recovered'],
    ['threshold 80'],
  ])
  t.strictSame(look(reading(0), reading(1000), reading(1000), reading(960), reading(1000)), [
    [],
    ['threshold 100'],
    [],
    [],
    ['threshold 100'],
  ])
  t.strictSame(look(reading(900), emptyReading(5)), [['threshold 90'], ['recovered']], 'the limit was removed')
})

void t.test('findEvents() reports the grace time', async (t) => {
  const over = (graceLeft: number) => reading(600, { soft: 500, graceLeft })
  t.strictSame(look(reading(500, { soft: 500 }), over(9), over(8), over(0), over(0), reading(400, { soft: 500 })), [
    [],
    ['graceStarted'],
    [],
    ['graceExpired'],
    [],
    ['graceEnded'],
  ])
})

void t.test('findEvents() names the meter, and ends the states of an id without a reading', async (t) => {
  const inodes = { ...emptyReading(6), inodes: { used: 95, soft: 'none', hard: 100, status: 'ok' } } as const
  const { events, reported } = findEvents([inodes], {})
  t.strictSame(events, [{ id: 6, of: 'inodes', type: 'threshold', percent: 90 }])
  t.strictSame(reported, { '6 inodes': { percent: 90, grace: 'none' } })
  t.strictSame(findEvents([], reported), { events: [{ id: 6, of: 'inodes', type: 'recovered' }], reported: {} })
})

void t.test('findEvents() returns no events for the same readings a second time', async () => {
  const limit = fc.oneof(fc.constant('none' as const), fc.integer({ min: 1, max: 100 }))
  const meter = fc.record({ used: fc.nat(120), soft: limit, hard: limit, status: fc.constant('ok' as const) })
  const any = fc.record({ id: fc.constant(5), bytes: meter, inodes: meter })
  fc.assert(
    fc.property(any, any, (one, two) => {
      const first = findEvents([two], findEvents([one], {}).reported)
      return findEvents([two], first.reported).events.length === 0
    }),
  )
})
