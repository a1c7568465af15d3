import fc from 'fast-check'
import t from 'tap'
import { markAccountDeleted } from '../../src/store/accounts.ts'
import { addReadings, findUsage, forgetDisk, recordDisk, type Reading } from '../../src/store/usage.ts'
import { addHost, addAccount, addPlan } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent)
  await addPlan(databases.api)
  return { ...databases, account: await addAccount(databases.api, 'blog') }
}

type Counted = readonly [requests: number, bytesIn: number, bytesOut: number]
const reading = (account: number, [requests, bytesIn, bytesOut]: Counted): Reading => ({
  account,
  requests,
  bytesIn,
  bytesOut,
})

const rows: readonly (readonly [title: string, readings: readonly Counted[], expected: Counted])[] = [
  ['adds all of the first reading', [[1, 10, 100]], [1, 10, 100]],
  [
    'adds the difference to the last reading',
    [
      [1, 10, 100],
      [3, 40, 500],
    ],
    [3, 40, 500],
  ],
  [
    'adds nothing for an equal reading',
    [
      [1, 10, 100],
      [1, 10, 100],
    ],
    [1, 10, 100],
  ],
  [
    'adds all of a reading after the counters of the proxy were reset',
    [
      [5, 50, 500],
      [2, 20, 200],
    ],
    [7, 70, 700],
  ],
  [
    'adds differences again after that reset',
    [
      [5, 50, 500],
      [2, 20, 200],
      [3, 30, 300],
    ],
    [8, 80, 800],
  ],
  [
    'adds all of a reading when only one number is below the last',
    [
      [5, 50, 500],
      [2, 80, 900],
    ],
    [7, 130, 1400],
  ],
  [
    'recognises a proxy whose counters were reset and are still zero',
    [
      [5, 50, 500],
      [0, 0, 0],
      [5, 50, 500],
    ],
    [10, 100, 1000],
  ],
  [
    'holds more than 32 bits',
    [
      [2 ** 33, 2 ** 40, 2 ** 50],
      [1, 1, 1],
    ],
    [2 ** 33 + 1, 2 ** 40 + 1, 2 ** 50 + 1],
  ],
]
for (const [title, readings, [requests, bytesIn, bytesOut]] of rows) {
  void t.test(`addReadings() ${title}`, async (t) => {
    const { agent, api, account } = await prepare(t)
    for (const counted of readings) await addReadings(agent, [reading(account, counted)])
    t.match(await findUsage(api, account), { requests, bytesIn, bytesOut, since: Date, sampledAt: Date })
  })
}

void t.test('addReadings() never decreases totals, and adds no more than was read', async (t) => {
  const { agent, account } = await prepare(t)
  const count = fc.integer({ min: 0, max: 2 ** 40 })
  await fc.assert(
    fc.asyncProperty(fc.tuple(count, count, count), async (counted) => {
      const before = await findUsage(agent, account)
      await addReadings(agent, [reading(account, counted)])
      const after = await findUsage(agent, account)
      return (['requests', 'bytesIn', 'bytesOut'] as const).every((field, index) => {
        const grown = (after?.[field] ?? 0) - (before?.[field] ?? 0)
        return grown >= 0 && grown <= (counted[index] ?? 0)
      })
    }),
  )
})

void t.test('addReadings() adds many readings, and skips accounts that do not exist', async (t) => {
  const { agent, api, account } = await prepare(t)
  const [other, gone] = [await addAccount(api, 'shop'), await addAccount(api, 'gone')]
  await markAccountDeleted(api, gone)
  await addReadings(agent, [
    reading(account, [1, 1, 1]),
    reading(gone, [2, 2, 2]),
    reading(-1, [3, 3, 3]),
    reading(other, [4, 4, 4]),
  ])
  await addReadings(agent, [])
  t.match(await findUsage(api, account), { requests: 1 })
  t.match(await findUsage(api, other), { requests: 4 })
  t.equal(await findUsage(api, gone), undefined)
  t.equal(await findUsage(api, -1), undefined)
})

void t.test('recordDisk() records the present values, and writes only what differs', async (t) => {
  const { agent, api, owner, account } = await prepare(t)
  const gone = await addAccount(api, 'gone')
  await markAccountDeleted(api, gone)
  const disk = { bytes: { used: 2 ** 45, limit: 2 ** 46 }, inodes: { used: 3 } }
  await recordDisk(agent, [
    { account, disk },
    { account: gone, disk },
    { account: -1, disk },
  ])
  t.match(await findUsage(api, account), { disk, requests: 0, sent: null })
  t.equal(await findUsage(api, gone), undefined)
  const version = 'select xmin::text, sampled_at from usage'
  const before = await owner.query(version)
  await recordDisk(agent, [{ account, disk }])
  await recordDisk(agent, [])
  t.strictSame(await owner.query(version), before)
  await recordDisk(agent, [{ account, disk: { ...disk, inodes: { used: 1 } } }])
  t.strictSame((await findUsage(api, account))?.disk, { ...disk, inodes: { used: 1 } }, 'the values can decrease')
  await addReadings(agent, [reading(account, [1, 2, 3])])
  t.match(await findUsage(api, account), { disk: { inodes: { used: 1 } }, requests: 1 })
})

void t.test('forgetDisk() removes the disk use of one host', async (t) => {
  const { agent, api, owner, account } = await prepare(t)
  await addHost(agent, 'h2')
  const other = await addAccount(api, 'other', { host: 'h2' })
  const disk = { bytes: { used: 1 }, inodes: { used: 1 } }
  await recordDisk(agent, [
    { account, disk },
    { account: other, disk },
  ])
  await forgetDisk(agent, 'h1')
  t.equal((await findUsage(api, account))?.disk, null)
  t.match(await findUsage(api, other), { disk })
  const before = await owner.query('select xmin::text from usage')
  await forgetDisk(agent, 'h1')
  t.strictSame(await owner.query('select xmin::text from usage'), before)
})
