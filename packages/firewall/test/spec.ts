import t from 'tap'
import { assertSpec, clientPorts, metadataAddresses, type FirewallSpec } from '../src/spec.ts'
import { settings } from './support/settings.ts'

void t.test('assertSpec() accepts valid specs', async (t) => {
  t.doesNotThrow(() => assertSpec(settings))
  t.doesNotThrow(() => assertSpec({ slots: [], tenantUids: { first: 1, last: 1 }, callers: [] }))
  t.ok(metadataAddresses.includes('169.254.0.0/16'))
  t.ok(clientPorts.tcp.includes(443))
})

const slot = { uid: 10_000, firstPort: 10_240, lastPort: 10_247 }
const bad: readonly (readonly [claim: string, wrong: Partial<FirewallSpec>, message: RegExp])[] = [
  ['a uid beyond 32 bits', { callers: [2 ** 32] }, /"callers", value "4294967296"/],
  ['the uid that the kernel uses for no user', { callers: [2 ** 32 - 1] }, /"callers"/],
  ['a negative uid', { callers: [-1] }, /"callers", value "-1"/],
  ['a uid that is not a number', { callers: [Number.NaN] }, /"callers", value "NaN"/],
  ['root among tenants', { tenantUids: { first: 0, last: 10 } }, /root/],
  ['a first uid above the last', { tenantUids: { first: 5, last: 4 } }, /greater/],
  ['port 0', { slots: [{ ...slot, firstPort: 0 }] }, /"slots", value "0"/],
  ['port 65536', { slots: [{ ...slot, lastPort: 65_536 }] }, /"slots", value "65536"/],
  ['a first port above the last', { slots: [{ ...slot, firstPort: 10_250 }] }, /greater/],
  ['a slot outside tenantUids', { slots: [{ ...slot, uid: 9 }] }, /outside the range tenantUids/],
  ['two slots of one uid', { slots: [slot, { ...slot, firstPort: 1, lastPort: 2 }] }, /already has a slot/],
  [
    'two slots with one port',
    { slots: [slot, { uid: 10_001, firstPort: 10_247, lastPort: 10_248 }] },
    /overlaps the slot of uid 10000/,
  ],
  ['a guard of a port in a slot', { guards: [{ name: 'x', port: 10_240, uids: [1] }] }, /the slot of uid 10000/],
  ['a guard without uids', { guards: [{ name: 'x', port: 1, uids: [] }] }, /no user could answer/],
  ['a guard with a hostile name', { guards: [{ name: 'x"; flush ruleset', port: 1, uids: [1] }] }, /letters/],
  [
    'two guards of one port',
    { guards: [1, 2].map((uid) => ({ name: 'x', port: 1, uids: [uid] })) },
    /already has a guard/,
  ],
  ['an unknown policy', { egress: [{ uid: 10_000, policy: 'all' as 'open' }] }, /policy is unknown/],
  ['a policy for a uid outside tenantUids', { egress: [{ uid: 1, policy: 'open' }] }, /outside the range tenantUids/],
  ['two policies of one uid', { egress: [1, 2].map(() => ({ uid: 10_000, policy: 'open' })) }, /already has a policy/],
  ['metadata that is not an address', { metadata: ['metadata.google.internal'] }, /neither an IP address/],
  ['a refused port that is not a whole number', { refusedPorts: [1.5] }, /"refusedPorts", value "1.5"/],
]
for (const [claim, wrong, message] of bad) {
  void t.test(`assertSpec() refuses ${claim}`, async (t) => {
    t.throws(() => assertSpec({ ...settings, ...wrong }), { code: 'FIREWALL_INVALID', message })
  })
}
