import { createHost } from '@puppy/host'
import { runReadme } from '@puppy/host/testing'
import t from 'tap'
import { whyNot } from '../support/tenants.ts'

t.setTimeout(600_000)

const host = createHost()
const skip =
  (await whyNot(host)) ||
  (process.env['TESTBED_GUEST'] === undefined && 'it limits user 10001 of the machine: only in a disposable host')

void t.test('the program of the README limits a group and a slice, and watches the group', { skip }, async (t) => {
  t.teardown(async () => {
    await host.run(['/usr/bin/rm', '-rf', '/etc/systemd/system/user-10001.slice.d'], { touches: 'machine' })
    await host.run(['/usr/bin/systemctl', 'daemon-reload'], { touches: 'machine', timeout: 120_000 })
  })
  const run = await runReadme(t, 'cgroups', { '10_000': '30_000' })
  t.match(run, { code: 0, output: /usageUsec: \d+n/ }, run.output)
  t.equal(await host.status('/sys/fs/cgroup/demo'), undefined)
})
