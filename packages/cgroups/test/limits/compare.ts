import t from 'tap'
import { differencesOf, differingSettings } from '../../src/limits/compare.ts'
import { parseLimits } from '../../src/limits/parse.ts'
import { fixture } from '../support/fixtures.ts'

void t.test('differencesOf() returns no difference for values that the kernel rounded', async (t) => {
  const spec = {
    cpu: { max: 0.5 },
    memory: { high: 100_000_000, max: 200_000_000, swapMax: 0 },
    pids: { max: 60 },
    io: {
      weight: 200,
      max: [
        { device: '254:0', rbps: 10_000_000, wbps: 'max' as const },
        { device: '254:16', riops: 'max' as const },
      ],
    },
  }
  t.strictSame(differencesOf(spec, parseLimits(fixture)), [])
})

void t.test('differencesOf() returns the values of the spec and of the kernel', async (t) => {
  const observed = parseLimits(fixture)
  t.strictSame(
    differencesOf(
      { memory: { max: 300_000_000, low: 0 }, pids: { max: 'max' }, io: { max: [{ device: '8:0', rbps: 1 }] } },
      observed,
    ),
    [
      { name: 'memory.low', spec: '0' },
      { name: 'memory.max', spec: '300000000', observed: '199999488' },
      { name: 'pids.max', spec: 'max', observed: '60' },
      { name: 'io.max 8:0 rbps', spec: '1', observed: 'max' },
    ],
  )
  t.strictSame(differencesOf({ io: { max: [{ device: '8:0', rbps: 1 }] } }, {}), [
    { name: 'io.max 8:0 rbps', spec: '1' },
  ])
  t.equal(
    differencesOf({ memory: { max: 100_000 } }, { memory: { max: 104_000 } }).length,
    1,
    'the kernel never rounds up',
  )
  t.equal(differencesOf({ memory: { swapMax: 4096 } }, {}).length, 1, 'swap that cannot be limited')
  const differing = differingSettings(
    { misc: { a: 1 }, raw: { 'cpu.x': 'y' }, hugetlb: { '2MB': 5 } },
    { misc: { a: 2 }, raw: { 'cpu.x': 'y' } },
  )
  t.strictSame(
    differing.map(({ setting: { row, item, value }, observed }) => [row.file, item, value, observed]),
    [
      ['hugetlb.2MB.max', undefined, 5, undefined],
      ['misc.max', 'a', 1, 2],
    ],
  )
})
