import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { createFakeCgroups } from '../src/fake.ts'
import { slicePath } from '../src/unit.ts'
import { slicesConform } from './support/conformance.ts'

const used = 'user-10001.slice'
for (const version of [257, 252]) {
  void t.test(`the fake conforms as systemd ${version}`, async (t) => {
    const fake = createFakeCgroups({ version })
    const host = createFakeHost({ programs: fake.programs, files: fake.files })
    await slicesConform(t, {
      host,
      options: { cgroupfs: fake.cgroupfs },
      slices: { used, unused: 'user-10002.slice' },
      login: () => fake.login(used, 7),
      read: (file) => fake.cgroupfs.read(slicePath(used), file)?.trim() ?? '',
      meddle: (file, value) => fake.cgroupfs.write(slicePath(used), file, value),
      setProperty: async (slice, line) =>
        void (await host.run(['/usr/bin/systemctl', 'set-property', slice, line], { touches: 'machine' })),
    })
  })
}

void t.test('the fake refuses what it does not know', async (t) => {
  const fake = createFakeCgroups()
  const host = createFakeHost({ programs: fake.programs })
  await t.rejects(host.run(['/usr/bin/systemctl', 'isolate', 'x'], { touches: 'machine' }), {
    code: 'HOST_PROGRAM_FAILED',
  })
})
