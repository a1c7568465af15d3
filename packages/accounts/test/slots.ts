import fc from 'fast-check'
import t from 'tap'
import {
  assertLayout,
  assertSlots,
  assertTenantUid,
  defaultLayout,
  sharedGid,
  slotAt,
  slotCount,
} from '../src/slots.ts'

void t.test('slotAt() computes every field from n', (t) => {
  t.equal(slotCount(defaultLayout), 2816)
  t.strictSame(slotAt(defaultLayout, 7), {
    n: 7,
    user: 'p10007',
    uid: 10_007,
    gid: 10_007,
    home: '/home/p10007',
    ports: [10_296, 10_297, 10_298, 10_299, 10_300, 10_301, 10_302, 10_303],
  })
  t.equal(slotAt(defaultLayout, 2815).ports.at(-1), 32_767)
  t.end()
})

void t.test('slotAt() refuses a number outside of the layout', (t) => {
  for (const n of [-1, 2816, 0.5, Number.NaN, Infinity]) t.throws(() => slotAt(defaultLayout, n), RangeError)
  t.end()
})

void t.test('slotAt() returns no user, uid or port twice', (t) => {
  const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 2815 }), { minLength: 2, maxLength: 2 })
  fc.assert(
    fc.property(numbers, ([one, other]) => {
      const [a, b] = [slotAt(defaultLayout, one!), slotAt(defaultLayout, other!)]
      return (
        a.uid !== b.uid && a.user !== b.user && a.home !== b.home && !a.ports.some((port) => b.ports.includes(port))
      )
    }),
  )
  t.end()
})

const bad: readonly (readonly [string, Partial<typeof defaultLayout>, typeof RangeError | typeof TypeError])[] = [
  ['system users', { firstUid: 500 }, RangeError],
  ['uids that reach systemd-homed', { firstUid: 59_000 }, RangeError],
  ['DynamicUser=', { firstUid: 61_184 }, RangeError],
  ['nobody', { firstUid: 65_530 }, RangeError],
  ['subordinate uids', { firstUid: 100_000 }, RangeError],
  ['a uid that is not an integer', { firstUid: 10_000.5 }, RangeError],
  ['privileged ports', { firstPort: 1000 }, RangeError],
  ['no ports', { portsPerSlot: 0 }, RangeError],
  ['a port limit beyond the ports', { portLimit: 70_000 }, RangeError],
  ['no slot', { portLimit: 10_241 }, RangeError],
  ['a prefix with a capital', { prefix: 'P' }, TypeError],
  ['an empty prefix', { prefix: '' }, TypeError],
  ['a prefix that is too long', { prefix: 'p'.repeat(30) }, TypeError],
  ['a prefix with a line break', { prefix: 'p\n' }, TypeError],
  ['a group with a space', { group: 'a b' }, TypeError],
  ['a group that could be that of a slot', { group: 'p1' }, TypeError],
  ['homes that are relative', { homes: 'home' }, TypeError],
  ['homes that are the root', { homes: '/' }, TypeError],
  ['homes with ..', { homes: '/home/../etc' }, TypeError],
  ['homes with a specifier', { homes: '/home/%u' }, TypeError],
  ['a shell with a colon', { shell: '/bin/ba:sh' }, TypeError],
]
for (const [what, part, kind] of bad) {
  void t.test(`assertLayout() refuses ${what}`, (t) => {
    t.throws(() => assertLayout({ ...defaultLayout, ...part }), kind)
    t.end()
  })
}

void t.test('assertLayout() accepts the default, and sharedGid() returns the number before its first uid', (t) => {
  assertLayout(defaultLayout)
  t.equal(sharedGid(defaultLayout), 9999)
  t.equal(sharedGid({ ...defaultLayout, firstUid: 1000 }), undefined, 'a gid of the system is not used')
  t.end()
})

void t.test('assertSlots() refuses a slot of another layout', (t) => {
  assertSlots(defaultLayout, [slotAt(defaultLayout, 3)])
  const other = slotAt({ ...defaultLayout, firstUid: 20_000 }, 3)
  t.throws(() => assertSlots(defaultLayout, [other]), TypeError)
  t.throws(() => assertSlots(defaultLayout, [{ ...slotAt(defaultLayout, 3), home: '/etc' }]), TypeError)
  t.end()
})

void t.test('assertTenantUid() refuses root and the uids of systemd', (t) => {
  assertTenantUid(10_000)
  for (const uid of [0, 999, -1, 65_534, 61_200, 4_294_967_295, 1e12, 10_000.5])
    t.throws(() => assertTenantUid(uid), RangeError)
  t.end()
})
