import t from 'tap'
import { renderProperties } from '../../src/limits/properties.ts'

void t.test('renderProperties() renders the properties of systemd.resource-control(5)', async (t) => {
  t.strictSame(
    renderProperties({
      cpu: { max: 1.5, weight: 50 },
      cpuset: { cpus: '0-1', mems: '0' },
      memory: { min: 0, low: 1, high: 2, max: 3, swapMax: 'max', zswapMax: 4 },
      pids: { max: 5 },
      io: { weight: 6, max: [{ device: '8:0', rbps: 7, wbps: 'max', riops: 8, wiops: 9 }] },
    }),
    [
      'AllowedCPUs=0-1',
      'AllowedMemoryNodes=0',
      'CPUWeight=50',
      'CPUQuota=150%',
      'MemoryMin=0',
      'MemoryLow=1',
      'MemoryHigh=2',
      'MemoryMax=3',
      'MemorySwapMax=infinity',
      'MemoryZSwapMax=4',
      'TasksMax=5',
      'IOWeight=6',
      'IOReadBandwidthMax=/dev/block/8:0 7',
      'IOWriteBandwidthMax=/dev/block/8:0 infinity',
      'IOReadIOPSMax=/dev/block/8:0 8',
      'IOWriteIOPSMax=/dev/block/8:0 9',
    ],
  )
  t.strictSame(renderProperties({ cpu: { max: 'max', idle: true } }), ['CPUWeight=idle', 'CPUQuota='])
  t.strictSame(renderProperties({ cpu: { idle: false } }), ['CPUWeight=100'])
  t.strictSame(renderProperties({ cpu: { idle: false, weight: 7 } }), ['CPUWeight=7'])
})

void t.test('renderProperties() refuses limits without a systemd property', async (t) => {
  for (const limits of [
    { cpu: { burst: 1 } },
    { memory: { oomGroup: true } },
    { hugetlb: { '2MB': 1 } },
    { misc: { a: 1 } },
    { raw: { 'cpu.x': '1' } },
  ]) {
    t.throws(() => renderProperties(limits), { code: 'CGROUP_INVALID', message: /no property/ })
  }
})
