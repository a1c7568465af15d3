// Protects two tenants’ ports, explains a rule, and cleans up. Needs root; give it the name of a network namespace to try it in.
import { createHost } from '@puppy/host'
import { explain, openFirewall, type FirewallSpec } from '@puppy/firewall'

const spec: FirewallSpec = {
  slots: [
    { uid: 10_000, firstPort: 10_240, lastPort: 10_247 },
    { uid: 10_001, firstPort: 10_248, lastPort: 10_255 },
  ],
  tenantUids: { first: 10_000, last: 12_815 },
  callers: [0, 33], // root and the proxy's user
  guards: [{ name: 'api', port: 8420, uids: [0] }],
}
const [netns] = process.argv.slice(2) // `ip netns add demo`, then `demo`; default: this machine
const firewall = openFirewall(createHost(), netns === undefined ? {} : { netns, folder: `/tmp/${netns}` })
const { works, error } = await firewall.probe()
if (!works) throw error
const changeSet = firewall.plan(spec, await firewall.read())
for (const { action, target, after } of changeSet.changes) console.log(action, target, after)
await firewall.apply(changeSet)
console.log((await firewall.ensure(spec)).changed) // false: one listing is all that runs
console.log(explain(spec, { direction: 'out', uid: 10_001, port: 10_240, protocol: 'tcp' }).why)
console.log(await firewall.traffic())
await firewall.remove()
