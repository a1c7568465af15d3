// Walls two tenants’ ports, says why, and cleans up. Needs root; give it the name of a network namespace to try it in.
import { createHost } from '@puppy/host'
import { explain, openFirewall, type WallSettings } from '@puppy/firewall'

const settings: WallSettings = {
  slots: [
    { uid: 10_000, firstPort: 10_240, lastPort: 10_247 },
    { uid: 10_001, firstPort: 10_248, lastPort: 10_255 },
  ],
  tenantUids: { first: 10_000, last: 12_815 },
  callers: [0, 33], // root and the proxy's user
  guards: [{ name: 'api', port: 8420, uids: [0] }],
}
const [netns] = process.argv.slice(2) // `ip netns add demo`, then `demo`; without one: this machine
const firewall = openFirewall(createHost(), netns === undefined ? {} : { netns, folder: `/tmp/${netns}` })
console.log((await firewall.ensure(settings)).changes)
console.log((await firewall.ensure(settings)).changed) // false: one listing was all that ran
console.log(explain(settings, { direction: 'out', uid: 10_001, port: 10_240, protocol: 'tcp' }).why)
console.log(await firewall.traffic())
await firewall.remove()
