import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createHost } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { parseMountinfo } from '@puppy/host/proc'
import { CgroupError } from '../src/errors.ts'
import { createFakeCgroups } from '../src/fake.ts'
import { rootPath } from '../src/path.ts'
import { modeOf, parseSystemdVersion, probe, probeSlices, unsupported } from '../src/probe.ts'
import { fixture } from './support/fixtures.ts'

void t.test('modeOf() distinguishes v2, hybrid mode and v1', async (t) => {
  t.strictSame(modeOf(parseMountinfo(fixture('mountinfo') ?? '')), { mode: 'unified', mount: '/sys/fs/cgroup' })
  const first = { fileSystem: 'cgroup', mountPoint: '/sys/fs/cgroup/memory' }
  const second = { fileSystem: 'cgroup2', mountPoint: '/sys/fs/cgroup/unified' }
  t.strictSame(modeOf([first, second]), { mode: 'hybrid', mount: '/sys/fs/cgroup/unified' })
  t.strictSame(modeOf([first]), { mode: 'legacy' })
  t.strictSame(modeOf([]), { mode: 'none' })
})

void t.test('parseSystemdVersion() parses the version and BPF', async (t) => {
  t.strictSame(parseSystemdVersion(fixture('systemctl-version') ?? ''), { version: 257, bpf: true })
  t.strictSame(parseSystemdVersion('systemd 252 (252.39)\n+PAM -BPF_FRAMEWORK\n'), { version: 252, bpf: false })
  t.equal(parseSystemdVersion('busybox'), undefined)
})

void t.test('probe() reports what works', async (t) => {
  const fake = createFakeCgroups()
  fake.place('a.slice', 1)
  await fake.cgroupfs.write(rootPath, 'cgroup.subtree_control', '+cpu')
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  const found = await probe(host, { cgroupfs: fake.cgroupfs })
  const { features, ...rest } = found
  t.strictSame(rest, {
    works: true,
    mode: 'unified',
    mount: '/sys/fs/cgroup',
    controllers: ['cpu', 'cpuset', 'io', 'memory', 'pids'],
    systemd: { version: 257, bpf: true },
    steps: [],
    warnings: [],
  })
  const working = Object.entries(features).flatMap(([name, { works }]) => (works ? [name] : []))
  t.strictSame(working, ['slices', 'portRules', 'pressure', 'cpu.idle', 'cpu.max.burst'])
  matchWhole(t, features['memory.peak'], { works: false, reason: /Linux 5\.19/, steps: [] })
})

void t.test('probe() reports why it does not work', async (t) => {
  const legacy = createFakeHost({ files: { '/proc/self/mountinfo': '36 31 0:33 / /c rw - cgroup cgroup rw\n' } })
  const steps = ['add systemd.unified_cgroup_hierarchy=1 to the kernel command line', 'reboot']
  const found = await probe(legacy)
  t.match(found, { works: false, mode: 'legacy', error: { code: 'CGROUP_UNSUPPORTED' } })
  t.strictSame([found.steps, found.controllers, found.features.slices.steps], [steps, [], steps])
  t.match((await probe(createFakeHost())).error?.message, /no cgroup file system/)
  t.match(unsupported('hybrid').message, /unified_cgroup_hierarchy=1/)
  const folder = await probe(createHost({ root: t.testdir({}) }))
  t.match(folder, { works: false, error: { code: 'CGROUP_UNSUPPORTED', message: /only a folder/ } })
})

void t.test('probe() never throws', async (t) => {
  const error = { code: 'CGROUP_UNREADABLE' }
  const closed = createFakeHost({ files: { '/proc/self/mountinfo/x': '' } })
  t.match(await probe(closed), { works: false, mode: 'none', error })
  const { programs, files, cgroupfs } = createFakeCgroups()
  const host = createFakeHost({ programs, files })
  const unreadable = {
    ...cgroupfs,
    children: () => {
      throw new CgroupError('CGROUP_UNREADABLE', { operation: 'list the groups in' })
    },
  }
  t.match(await probe(host, { cgroupfs: unreadable }), { works: false, error })
  t.match(await probe(host, { cgroupfs, signal: AbortSignal.abort() }), { works: false, error })
})

void t.test('probeSlices() requires systemd 252, and BPF for port rules', async (t) => {
  const found = async (version: number, bpf = true) => {
    const { programs, files, cgroupfs } = createFakeCgroups({ version, bpf })
    return probeSlices(createFakeHost({ programs, files }), { cgroupfs })
  }
  const [old, recent, without] = [await found(251), await found(252), await found(257, false)]
  t.match(old, { works: false, version: '251', error: { code: 'CGROUP_UNSUPPORTED', message: /systemd 251/ } })
  t.match(old.features.portRules, { works: false, reason: /systemd/ })
  t.notMatch(old.features.portRules.reason, /BPF/, 'an old systemd is named, and not how it was built')
  t.match(recent, { works: true, version: '252' })
  t.equal(recent.features.portRules.works, true)
  t.match(without, { works: true, features: { portRules: { works: false, reason: /without BPF/ } } })
  const { files, cgroupfs } = createFakeCgroups()
  const { '/run/systemd/system/.fake': _, ...bare } = files
  t.match(await probeSlices(createFakeHost({ files: bare }), { cgroupfs }), { works: false, systemd: undefined })
})

void t.test('probe() is consistent on this machine', async (t) => {
  const here = await probe(createHost())
  t.equal(here.works, here.mode === 'unified')
  t.equal(here.error === undefined, here.works)
})
