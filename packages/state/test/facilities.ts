import t from 'tap'
import { missingWalls, walls } from '../src/facilities.ts'
import type { FacilityState } from '../src/store/hosts.ts'

const all = Object.fromEntries(walls.map((wall) => [wall, { works: true }]))

const rows: readonly (readonly [
  title: string,
  facilities: Readonly<Record<string, FacilityState>>,
  expected: readonly string[],
])[] = [
  ['none where all work', all, []],
  ['all of a host that has not spoken yet', {}, walls],
  ['one that does not work', { ...all, quota: { works: false, reason: 'not_mounted' } }, ['quota']],
  [
    'several in the order in which they are built',
    { haproxy: { works: true }, quota: { works: true } },
    ['accounts', 'cgroups', 'firewall', 'selinux'],
  ],
  ['none for a facility that is no wall', { ...all, postgres: { works: false } }, []],
]
for (const [title, facilities, expected] of rows) {
  void t.test(`missingWalls() names ${title}`, (t) => {
    t.strictSame(missingWalls(facilities), expected)
    t.end()
  })
}
