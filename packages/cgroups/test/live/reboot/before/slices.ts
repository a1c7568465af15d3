import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices } from '../../../../src/index.ts'
import { options, spec, uids } from '../../../support/reboot.ts'
import { createTenants, eventually, whyNot, type Tenant } from '../../../support/tenants.ts'

const host = createHost()
const skip =
  (await whyNot(host, 'ssh', 'useradd')) ||
  (process.env['TESTBED_GUEST'] === undefined && 'it needs a host that reboots')
t.setTimeout(300_000)

void t.test('before a reboot, ensure() limits a slice in use and an unused slice', { skip }, async (t) => {
  const [busy] = (await createTenants(t, host, uids.slice(1))) as [Tenant]
  const session = busy.ssh('touch ready; while [ -e ready ]; do sleep 1; done')
  await eventually(async () => (await host.status(`/home/${busy.name}/ready`)) !== undefined)
  const { results } = await openSlices(host, options).ensure(spec)
  matchWhole(t, results, [{ status: 'armed' }, { status: 'applied' }])
  await host.remove(`/home/${busy.name}/ready`)
  await session
})
