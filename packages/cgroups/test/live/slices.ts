import t from 'tap'
import { createHost } from '@puppy/host'
import { openCgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { slicePath } from '../../src/unit.ts'
import { slicesConform } from '../support/conformance.ts'
import { whyNot } from '../support/tenants.ts'

const host = createHost()
t.setTimeout(600_000)

void t.test('the real systemd conforms', { skip: await whyNot(host, 'systemd-run') }, async (t) => {
  const [used, unused] = ['puppycglive-a.slice', 'puppycglive-b.slice']
  const service = 'puppy-cgroups-live.service'
  const systemctl = (...args: readonly string[]) =>
    host.run(['/usr/bin/systemctl', ...args], { touches: 'machine', accept: [0, 1, 5] })
  t.teardown(async () => {
    await systemctl('stop', service, used, unused)
    await systemctl('revert', used)
  })
  const cgroupfs = openCgroupfs(host)
  const path = slicePath(used)
  await slicesConform(t, {
    host,
    options: { runFolder: '/run/puppy-cgroups-live' },
    slices: { used, unused },
    login: async () => {
      await host.run(
        ['/usr/bin/systemd-run', '--quiet', `--unit=${service}`, `--slice=${used}`, '/usr/bin/sleep', '1000'],
        { touches: 'machine' },
      )
    },
    read: (file) => cgroupfs.read(path, file)?.trim() ?? '',
    meddle: (file, value) => cgroupfs.write(path, file, value),
    setProperty: async (slice, line) => void (await systemctl('set-property', slice, line)),
  })
})
