import fc from 'fast-check'
import t from 'tap'
import { SelinuxError } from '../src/errors.ts'
import {
  dominates,
  everyCategory,
  intersect,
  levelOf,
  pairAt,
  pairCount,
  pairNumber,
  parseLevel,
  parseRange,
  renderLevel,
  renderRange,
  sameLevel,
  singleLevel,
} from '../src/level.ts'

const levels = fc
  .tuple(fc.integer({ min: 0, max: 15 }), fc.array(fc.integer({ min: 0, max: 1023 }), { maxLength: 40 }))
  .map(([sensitivity, categories]) => levelOf(categories, sensitivity))

void t.test('parseLevel() accepts every notation, and renderLevel() renders that of the kernel', async (t) => {
  for (const [text, canonical] of [
    ['s0', 's0'],
    ['s0:c5,c1', 's0:c1,c5'],
    ['s0:c3.c4', 's0:c3,c4'],
    ['s0:c3,c4,c5', 's0:c3.c5'],
    ['s0:c0.c1023', 's0:c0.c1023'],
    ['s1:c1,c1,c0.c2', 's1:c0.c2'],
    ['s15:c0007', 's15:c7'],
  ] as const) {
    t.equal(renderLevel(parseLevel(text)), canonical, text)
  }
  t.ok(sameLevel(parseLevel('s0:c3.c4'), parseLevel('s0:c4,c3')))
  t.ok(sameLevel(parseLevel('s0:c0.c1023'), everyCategory))
})

void t.test('parseLevel() refuses an invalid text', async (t) => {
  for (const text of ['', 's', 's0:', 's16', 's0:c1024', 's0:c5.c1', 's0:c1,', 's0 ', 's0:c1\n', 'SystemLow', 's0:c-1'])
    t.throws(() => parseLevel(text), { code: 'SELINUX_INVALID' }, JSON.stringify(text))
  t.throws(() => levelOf([1024]), RangeError)
  t.throws(() => levelOf([1.5]), RangeError)
  t.throws(() => levelOf([], 16), RangeError)
})

void t.test('parseRange() parses ranges and single levels', async (t) => {
  t.equal(renderRange(parseRange('s0-s0:c0.c1023')), 's0-s0:c0.c1023')
  t.equal(renderRange(parseRange('s0:c1.c2-s0:c2,c1')), 's0:c1,c2')
  t.equal(renderRange(singleLevel(pairAt(0))), 's0:c0,c1')
  for (const text of ['s0:c1-s0', 's0-s0-s0', '-', 's0-'])
    t.throws(() => parseRange(text), { code: 'SELINUX_INVALID' }, text)
})

void t.test('parseLevel() restores a rendered level, and parseRange() throws only SELINUX_INVALID', async () => {
  fc.assert(fc.property(levels, (level) => sameLevel(parseLevel(renderLevel(level)), level)))
  const words = fc
    .array(fc.constantFrom('s', '0', 'c', '1', '23', '.', ',', ':', '-', '\n', '9999'))
    .map((a) => a.join(''))
  fc.assert(
    fc.property(fc.oneof(words, fc.string()), (text) => {
      try {
        parseRange(text)
        return true
      } catch (error) {
        return error instanceof SelinuxError && error.code === 'SELINUX_INVALID'
      }
    }),
  )
})

void t.test('dominates() and intersect() follow the rules of sets', async (t) => {
  t.ok(dominates(parseLevel('s0:c1,c2'), parseLevel('s0:c2')))
  t.notOk(dominates(parseLevel('s0:c1,c2'), parseLevel('s0:c3')))
  t.notOk(dominates(parseLevel('s0:c1'), parseLevel('s1')))
  fc.assert(
    fc.property(levels, levels, (one, other) => {
      const both = intersect(one, other)
      return dominates(one, both) && dominates(other, both) && sameLevel(intersect(other, one), both)
    }),
  )
})

void t.test('pairAt() returns a unique pair for every number, and no pair dominates another', async (t) => {
  t.strictSame(
    [0, 1, 2, 3, 2815].map((n) => renderLevel(pairAt(n))),
    ['s0:c0,c1', 's0:c0,c2', 's0:c1,c2', 's0:c0,c3', 's0:c40,c75'],
  )
  t.equal(pairCount(), 523_776)
  const seen = new Set<string>()
  for (let n = 0; n < pairCount(); n += 1) seen.add(pairAt(n).categories.join())
  t.equal(seen.size, pairCount())
  t.equal(renderLevel(pairAt(pairCount() - 1)), 's0:c1022,c1023')
  t.equal(renderLevel(pairAt(0, { first: 512 })), 's0:c512,c513')
  t.throws(() => pairAt(pairCount()), RangeError)
  t.throws(() => pairAt(-1), RangeError)
  t.throws(() => pairAt(0.5), RangeError)
  t.throws(() => pairAt(0, { first: 1023 }), RangeError)
  const number = fc.integer({ min: 0, max: 523_775 })
  fc.assert(fc.property(number, number, (one, other) => one === other || !dominates(pairAt(one), pairAt(other))))
})

void t.test('pairNumber() is the inverse of pairAt()', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1022 }), fc.nat(), (first, any) => {
      const n = any % pairCount({ first })
      return pairNumber(pairAt(n, { first }), { first }) === n
    }),
  )
  for (const level of ['s0', 's0:c1', 's1:c1,c2', 's0:c1.c3']) t.equal(pairNumber(parseLevel(level)), undefined, level)
  t.equal(pairNumber({ sensitivity: 0, categories: [5, 1] }), pairNumber(parseLevel('s0:c1,c5')))
  t.equal(pairNumber({ sensitivity: 0, categories: [5, 5] }), undefined)
  t.equal(pairNumber(parseLevel('s0:c1,c2'), { first: 2 }), undefined)
})
