import { createHost } from '@puppy/host'
import t from 'tap'
import { openCgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import { slicePath } from '../../src/unit.ts'
import { slicesConform } from '../support/conformance.ts'
import { systemdOf } from '../support/systemd.ts'
import { whyNot } from '../support/tenants.ts'

const host = createHost()
const runFolder = '/run/puppy-cgroups-live'
const service = 'puppy-cgroups-live.service'
const cgroupfs = openCgroupfs(host)
const skip = await whyNot(host, 'systemd-run')
t.setTimeout(1_200_000)

const { systemctl, startIn } = systemdOf(service, host)

void t.test('openSlices() conforms with the real systemd', { skip }, async (t) => {
  const [used, unused] = ['puppycglive-a.slice', 'puppycglive-b.slice']
  t.teardown(async () => {
    await systemctl('stop', service, used, unused)
    await systemctl('revert', used)
  })
  const path = slicePath(used)
  await slicesConform(t, {
    host,
    options: { runFolder },
    names: { used, unused },
    login: async () => void (await startIn(used)),
    read: (file) => cgroupfs.read(path, file)?.trim() ?? '',
    meddle: (file, value) => cgroupfs.write(path, file, value),
    setProperty: async (slice, line) => void (await systemctl('set-property', slice, line)),
  })
})
