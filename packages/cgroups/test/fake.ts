import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../src/fake.ts'
import { renderDropIn } from '../src/systemd/drop-in.ts'
import { dropInPath } from '../src/systemd/paths.ts'
import { slicePath } from '../src/unit.ts'
import { slicesConform } from './support/conformance.ts'
import { conforms, fakeSlices } from './support/world.ts'

const used = 'user-10001.slice'
for (const version of [257, 252]) {
  void t.test(`createFakeCgroups() behaves as systemd ${version}`, async (t) => {
    const fake = createFakeCgroups({ version })
    const host = createFakeHost({ programs: fake.programs, files: fake.files })
    await slicesConform(t, {
      host,
      options: { cgroupfs: fake.cgroupfs },
      names: { used, unused: 'user-10002.slice' },
      login: () => fake.login(used, 7),
      read: (file) => fake.cgroupfs.read(slicePath(used), file)?.trim() ?? '',
      meddle: (file, value) => fake.cgroupfs.write(slicePath(used), file, value),
      setProperty: async (slice, line) =>
        void (await host.run(['/usr/bin/systemctl', 'set-property', slice, line], { touches: 'machine' })),
    })
  })
}

const spec = [
  {
    slice: used,
    limits: { cpu: { max: 0.5 }, pids: { max: 60 } },
    portRules: { allow: [{ first: 20_001, last: 20_004 }] },
  },
  { slice: 'user-10002.slice', limits: { memory: { max: 8192 }, io: { weight: 300 } } },
]
conforms('slices that are not in use', fakeSlices(spec, {}))
conforms(
  'a slice in use',
  fakeSlices(spec, {}, (fake) => fake.login(used, 7)),
)
conforms(
  'a slice in use, systemd 252 without BPF',
  fakeSlices(spec, { version: 252, bpf: false }, (fake) => fake.login(used, 7)),
)
conforms(
  'a slice with drift: limits, files of set-property, detached port rules, and memory that must be reclaimed',
  fakeSlices(
    [
      { slice: used, limits: { memory: { max: 8192 }, pids: { max: 60 } }, portRules: { allow: [80] } },
      ...spec.slice(1),
    ],
    {},
    async (fake, host) => {
      const old = renderDropIn({ memory: { max: 65_536 }, pids: { max: 60 } }, { allow: [80] })
      await host.makeFolder(`/etc/systemd/system/${used}.d`)
      await host.replace(dropInPath(used), old)
      await fake.login(used, 7)
      fake.use(slicePath(used), 65_536)
      const systemctl = (...args: readonly string[]) =>
        host.run(['/usr/bin/systemctl', ...args], { touches: 'machine' })
      for (const more of [[], ['--runtime']]) await systemctl('set-property', ...more, used, 'TasksMax=90')
      await systemctl('daemon-reload')
    },
  ),
)

void t.test('createFakeCgroups() refuses unknown commands of systemctl', async (t) => {
  const fake = createFakeCgroups()
  const host = createFakeHost({ programs: fake.programs })
  await t.rejects(host.run(['/usr/bin/systemctl', 'isolate', 'x'], { touches: 'machine' }), {
    code: 'HOST_PROGRAM_FAILED',
  })
})
