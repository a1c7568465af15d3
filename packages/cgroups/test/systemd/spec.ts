import t from 'tap'
import { partitionSpec } from '../../src/systemd/spec.ts'

const systemd = { version: 257, bpf: true }

void t.test('partitionSpec() returns a separate error for each invalid slice', async (t) => {
  const portRules = { allow: [80] }
  const spec = [
    { slice: 'a.slice', limits: { pids: { max: 1 } }, portRules },
    { slice: '../b.slice', limits: {} },
    { slice: 'c.slice', limits: {}, portRules: { allow: [0] } },
    { slice: 'd.slice', limits: { pids: { max: 1.5 } } },
    { slice: 'e.slice', limits: {} },
    { slice: 'e.slice', limits: {} },
    { slice: 'f.slice', limits: { io: { max: [{ device: '/nowhere', rbps: 1 }] } } },
    { slice: 'g.slice', limits: { cpu: { burst: 1 } } },
    { slice: 'h.slice', limits: null as never },
  ]
  const { valid, refused } = partitionSpec(spec, { systemd: { ...systemd, bpf: false } })
  t.strictSame(
    valid,
    [{ slice: 'a.slice', limits: { pids: { max: 1 } } }],
    'without port rules when systemd has no BPF',
  )
  t.strictSame(
    [...refused].map(([slice, { code }]) => `${slice} ${code}`),
    ['../b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `${name}.slice CGROUP_INVALID`),
  )
  t.match(refused.get('e.slice'), { code: 'CGROUP_INVALID', message: /more than once/ })
  const [first] = partitionSpec(spec.slice(0, 1), { systemd }).valid
  t.strictSame(first?.portRules, portRules)
})

void t.test('partitionSpec() resolves devices', async (t) => {
  const mount = { id: 1, parent: 0, device: '8:1', root: '/', mountPoint: '/', mountOptions: [], fileSystem: 'ext4' }
  const devices = {
    disks: [{ name: 'sda', number: '8:0', partitions: new Map([['sda1', '8:1']]) }],
    mounts: [{ ...mount, source: '/dev/sda1', options: [] }],
  }
  const spec = [{ slice: 'a.slice', limits: { io: { max: [{ device: '/home', rbps: 1 }] } } }]
  const limits = { io: { max: [{ device: '8:0', rbps: 1 }] } }
  t.strictSame(partitionSpec(spec, { systemd, devices }).valid, [{ slice: 'a.slice', limits }])
})
