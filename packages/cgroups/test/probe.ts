import fc from 'fast-check'
import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../src/fake.ts'
import { rootPath } from '../src/path.ts'
import { parseMounts, parseSystemdVersion, probe, unsupported } from '../src/probe.ts'
import { fixture } from './support/fixtures.ts'

void t.test('parseMounts() tells v2 from hybrid and v1', async (t) => {
  t.strictSame(parseMounts(fixture('mountinfo') ?? ''), { mode: 'unified', mount: '/sys/fs/cgroup' })
  const first = '36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n'
  const second = '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n'
  t.strictSame(parseMounts(first + second), { mode: 'hybrid', mount: '/sys/fs/cgroup/unified' })
  t.strictSame(parseMounts(first), { mode: 'legacy' })
  t.strictSame(parseMounts(''), { mode: 'none' })
  fc.assert(fc.property(fc.string(), (text) => parseMounts(text).mode === 'none'))
})

void t.test('parseSystemdVersion() reads version and BPF', async (t) => {
  t.strictSame(parseSystemdVersion(fixture('systemctl-version') ?? ''), { version: 257, bpf: true })
  t.strictSame(parseSystemdVersion('systemd 252 (252.39)\n+PAM -BPF_FRAMEWORK\n'), { version: 252, bpf: false })
  t.equal(parseSystemdVersion('busybox'), undefined)
})

void t.test('probe() says what works', async (t) => {
  const fake = createFakeCgroups()
  fake.place('a.slice', 1)
  await fake.kernel.write(rootPath, 'cgroup.subtree_control', '+cpu')
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  t.strictSame(await probe(host, { kernel: fake.kernel }), {
    works: true,
    mode: 'unified',
    mount: '/sys/fs/cgroup',
    controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids'],
    systemd: { version: 257, bpf: true },
    features: ['cpu.idle', 'cpu.max.burst'],
    pressure: true,
  })
})

void t.test('probe() says why it does not work', async (t) => {
  const legacy = createFakeHost({ files: { '/proc/self/mountinfo': '36 31 0:33 / /c rw - cgroup cgroup rw\n' } })
  const { error, ...rest } = await probe(legacy)
  t.strictSame(rest, { works: false, mode: 'legacy', controllers: [], features: [], pressure: false })
  t.equal(error?.code, 'CGROUP_UNSUPPORTED')
  t.match((await probe(createFakeHost())).error?.message, /no cgroup file system/)
  t.match(unsupported('hybrid').message, /unified_cgroup_hierarchy=1/)
})

void t.test('probe() on this machine agrees with itself', async (t) => {
  const here = await probe(createHost())
  t.equal(here.works, here.mode === 'unified')
  t.equal(here.error === undefined, here.works)
})
