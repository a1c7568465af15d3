import t from 'tap'
import { missingLayers, isolationLayers } from '../src/facilities.ts'
import type { FacilityState } from '../src/store/hosts.ts'

const all = Object.fromEntries(isolationLayers.map((layer) => [layer, { works: true }]))

const rows: readonly (readonly [
  title: string,
  facilities: Readonly<Record<string, FacilityState>>,
  expected: readonly string[],
])[] = [
  ['none where all work', all, []],
  ['all of a host that has not reported yet', {}, isolationLayers],
  ['one that does not work', { ...all, quota: { works: false, reason: 'not_mounted' } }, ['quota']],
  [
    'several, in the order in which they are built',
    { haproxy: { works: true }, quota: { works: true } },
    ['accounts', 'cgroups', 'view', 'mounts', 'firewall', 'selinux'],
  ],
  ['none for a facility that is not a layer', { ...all, postgres: { works: false } }, []],
]
for (const [title, facilities, expected] of rows) {
  void t.test(`missingLayers() names ${title}`, (t) => {
    t.strictSame(missingLayers(facilities), expected)
    t.end()
  })
}
