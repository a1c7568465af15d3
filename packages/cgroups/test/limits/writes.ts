import t from 'tap'
import { controllersOf, planWrites } from '../../src/limits/writes.ts'

void t.test('planWrites() renders the texts of the kernel’s files, memory.high before memory.max', async (t) => {
  const writes = planWrites({
    memory: { max: 200, high: 100, swapMax: 0, oomGroup: true },
    cpu: { max: 0.5, idle: false, burst: 1000 },
    io: { weight: 50, max: [{ device: '8:0', rbps: 5, wbps: 'max' }] },
    pids: { max: 'max' },
    misc: { sev: 2 },
  })
  t.strictSame(
    writes.map(({ file, value }) => `${file}: ${value}`),
    [
      'cpu.idle: 0',
      'cpu.max: 50000 100000',
      'cpu.max.burst: 1000',
      'memory.high: 100',
      'memory.max: 200',
      'memory.swap.max: 0',
      'memory.oom.group: 1',
      'pids.max: max',
      'io.weight: default 50',
      'io.max: 8:0 rbps=5',
      'io.max: 8:0 wbps=max',
      'misc.max: sev 2',
    ],
  )
  t.strictSame(planWrites({ cpu: { max: 'max' } }), [{ file: 'cpu.max', value: 'max 100000' }])
  t.strictSame(planWrites({}), [], 'absent limits are not written')
})

void t.test('controllersOf() returns each controller once', async (t) => {
  t.strictSame(controllersOf({ memory: { max: 1, low: 1 }, pids: { max: 1 }, hugetlb: { '1GB': 0 } }), [
    'memory',
    'pids',
    'hugetlb',
  ])
})
