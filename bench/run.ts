/**
 * Runs benchmarks. Prints for each claim our result, the floor and the usual way of today.
 *
 * Usage: `npm run bench -- [name …] [--json]`. A name is that of a file in this folder, or a claim.
 */
import { accounts } from './accounts.ts'
import { cgroups } from './cgroups.ts'
import { renderClaim, type Bench, type Claim } from './claim.ts'
import { firewall } from './firewall.ts'
import { firewallProxy } from './firewall-proxy.ts'
import { haproxy } from './haproxy.ts'
import { host } from './host.ts'
import { memory } from './memory.ts'
import { quota } from './quota.ts'
import { selinuxLoaded } from './selinux-loaded.ts'
import { selinuxTree } from './selinux-tree.ts'
import { selinux } from './selinux.ts'

const benches: Readonly<Record<string, Bench>> = {
  accounts,
  cgroups,
  firewall,
  'firewall-proxy': firewallProxy,
  haproxy,
  host,
  memory,
  quota,
  selinux,
  'selinux-loaded': selinuxLoaded,
  'selinux-tree': selinuxTree,
}

const args = process.argv.slice(2)
const wanted = args.filter((argument) => !argument.startsWith('--'))
const unknown = wanted.find(
  (name) => !Object.entries(benches).some(([key, { claims }]) => key === name || claims.includes(name)),
)
if (unknown !== undefined) {
  console.error(`Unknown benchmark "${unknown}"; known benchmarks: ${Object.keys(benches).join(', ')}`)
  process.exit(64)
}
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name) && !bench.claims.some((claim) => wanted.includes(claim))) continue
  const reason = bench.cannotRun()
  if (reason !== undefined) {
    console.error(`skipped ${name}: ${reason}`)
    continue
  }
  const claims: readonly Claim[] = await bench.run()
  for (const claim of claims) console.log(args.includes('--json') ? JSON.stringify(claim) : renderClaim(claim))
}
