import fc from 'fast-check'
import t from 'tap'
import { assertId, maxId, renderLimits, roundLimit, sameLimits } from '../src/limits.ts'

const bounds = { blockSize: 4096, maxBytes: Number.MAX_SAFE_INTEGER, maxInodes: 0xffff_ffff }

void t.test('assertId() refuses root, the reserved id and ids that setquota would cut to 32 bits', async (t) => {
  for (const id of [1, 10_000, maxId]) t.doesNotThrow(() => assertId(id))
  for (const id of [0, -1, 1.5, Number.NaN, Infinity, maxId + 1, 2 ** 32, 2 ** 53]) {
    t.throws(() => assertId(id), { code: 'QUOTA_INVALID' }, String(id))
  }
})

void t.test('roundLimit() refuses numbers that are not a limit', async (t) => {
  for (const limit of [0, -1, 0.5, Number.NaN, Infinity, 2 ** 53]) {
    for (const name of ['bytes', 'inodes'] as const)
      t.throws(() => roundLimit(name, limit, bounds), { code: 'QUOTA_INVALID' }, `${limit} ${name}`)
  }
  t.throws(() => roundLimit('inodes', 2 ** 32, bounds), { code: 'QUOTA_INVALID' })
  t.throws(() => roundLimit('bytes', 5 * 1024 ** 4, { ...bounds, maxBytes: 0xffff_ffff * 1024 }), {
    message: /from 1 to 4398046510080/,
  })
  t.equal(roundLimit('bytes', 'none', bounds), 'none')
})

void t.test('roundLimit() rounds up to whole blocks and never returns 0', async (t) => {
  t.equal(roundLimit('bytes', 1, bounds), 4096)
  t.equal(roundLimit('inodes', 1, bounds), 1)
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (limit) => {
      const rounded = Number(roundLimit('bytes', limit, bounds))
      return rounded >= 4096 && rounded % 4096 === 0 && Math.abs(rounded - limit) < 4096 && rounded <= bounds.maxBytes
    }),
  )
})

void t.test('sameLimits() compares all four, and renderLimits() names them', async (t) => {
  const one = { bytes: { soft: 'none', hard: 4096 }, inodes: { soft: 7, hard: 'none' } } as const
  t.equal(renderLimits(one), 'bytes soft none hard 4096, inodes soft 7 hard none')
  t.ok(sameLimits(one, structuredClone(one)))
  for (const name of ['bytes', 'inodes'] as const)
    for (const which of ['soft', 'hard'] as const)
      t.notOk(sameLimits(one, { ...one, [name]: { ...one[name], [which]: 8 } }), `${name} ${which}`)
})
