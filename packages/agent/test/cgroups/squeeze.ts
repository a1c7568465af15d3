import type { Limits } from '@puppy/cgroups'
import fc from 'fast-check'
import t from 'tap'
import { squeeze } from '../../src/cgroups/squeeze.ts'

const disk = [{ device: '254:16', rbps: 1_048_576, wbps: 1_048_576, riops: 100, wiops: 100 }]
const rows: readonly (readonly [title: string, limits: Limits, device: string | undefined, squeezed: Limits])[] = [
  ['what is not limited', {}, '254:16', { cpu: { max: 0.1, weight: 1 }, pids: { max: 32 }, io: { max: disk } }],
  [
    'what is lifted, and leaves memory',
    { cpu: { max: 'max', weight: 500 }, memory: { max: 5 }, pids: { max: 'max' }, io: { weight: 500 } },
    '254:16',
    { cpu: { max: 0.1, weight: 1 }, memory: { max: 5 }, pids: { max: 32 }, io: { max: disk } },
  ],
  [
    'nothing that is tighter already',
    { cpu: { max: 0.05 }, pids: { max: 8 } },
    undefined,
    { cpu: { max: 0.05, weight: 1 }, pids: { max: 8 } },
  ],
]
for (const [title, limits, device, squeezed] of rows) {
  void t.test(`squeeze() tightens ${title}`, async (t) => {
    t.strictSame(squeeze(limits, device), squeezed)
  })
}

void t.test('squeeze() never gives more, and squeezed again is the same', async (t) => {
  const limit = fc.option(fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constant('max' as const)), { nil: undefined })
  fc.assert(
    fc.property(limit, limit, (cpu, pids) => {
      const limits: Limits = {
        ...(cpu === undefined ? {} : { cpu: { max: cpu } }),
        ...(pids === undefined ? {} : { pids: { max: pids } }),
      }
      const once = squeeze(limits, '8:0')
      if (typeof pids === 'number' && Number(once.pids?.max) > pids) return false
      t.strictSame(squeeze(once, '8:0'), once)
      return Number(once.cpu?.max) <= 0.1
    }),
    { numRuns: 50 },
  )
})
