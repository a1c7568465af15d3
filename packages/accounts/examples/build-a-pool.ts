/** Builds three slots below a temporary folder, opens the login of one tenant and releases the slot. Needs root. */
import { mkdtemp, rm } from 'node:fs/promises'
import { defaultLayout, evict, openLogins, openPool, scrub, slotAt } from '@puppy/accounts'
import { createHost } from '@puppy/host'

const root = await mkdtemp('/tmp/build-a-pool-')
try {
  const host = createHost({ root })
  await host.makeFolder('/etc')
  const slots = [0, 1, 2].map((n) => slotAt(defaultLayout, n))
  const { changes, results } = await openPool(host, defaultLayout).ensure(slots)
  console.log(changes.map(({ action, target }) => `${action} ${target}`))
  console.log(results)

  const keys = ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN0QMC3+TXDUdzbOXjbKkRTi0ns1iX4i1ttTvTEIyrnC anna']
  const taken = { slot: slots[0]!, keys, environment: { PORT: '10240' }, linger: true, open: true }
  console.log((await openLogins(host).ensure([taken])).results)

  console.log(await evict(host, [taken.slot]))
  console.log(await scrub(host, defaultLayout, [taken.slot]))
} finally {
  await rm(root, { recursive: true })
}
