import t from 'tap'
import { findOrphans } from '../src/orphans.ts'
import { parseReport } from '../src/report.ts'
import { fixture } from './support/fixture.ts'

void t.test('findOrphans() returns ids that have usage or limits, but no owner', async (t) => {
  const readings = [
    ...parseReport('user', fixture('ext4-user.csv'), 0),
    ...parseReport('user', fixture('ext4-grace.csv'), 0),
  ]
  t.strictSame(findOrphans(readings, [70_001, 70_003, 70_004], { first: 70_000, last: 79_999 }), [
    { id: 70_002, bytes: 0, inodes: 0, limited: true },
    { id: 70_009, bytes: 155_648, inodes: 2, limited: true },
  ])
  t.strictSame(findOrphans(readings, [], { first: 1, last: 70_000 }), [])
  t.strictSame(findOrphans(readings, [], { first: 0, last: 0 }), [{ id: 0, bytes: 20_480, inodes: 2, limited: false }])
})
