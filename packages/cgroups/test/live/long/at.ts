import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices } from '../../../src/index.ts'
import { installPamProfile } from '../../support/pam.ts'
import { createTenants, eventually, textOf, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const slices = openSlices(host, { runFolder: '/run/puppy-cgroups-live' })
const skip = await whyNot(host, 'at', 'atd', 'pam-auth-update', 'useradd')

t.setTimeout(600_000)

void t.test('with the PAM profile, a job of at runs in the slice of its tenant', { skip }, async (t) => {
  const [a] = (await createTenants(t, host, [10_951])) as [Tenant]
  t.teardown(() => slices.remove([a.slice]))
  await installPamProfile(t, host)
  await slices.ensure([{ slice: a.slice, limits: { pids: { max: 40 } } }])
  await a.ssh(`echo 'cat /proc/self/cgroup > where.now; mv where.now where' | at now`)
  const where = `/home/${a.name}/where`
  await eventually(async () => (await host.status(where)) !== undefined, 110_000)
  t.match(await textOf(host, where), `/${a.path}/`)
})
