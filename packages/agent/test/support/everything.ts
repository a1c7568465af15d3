import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { slotAt } from '@puppy/accounts'
import { createFakeCgroups } from '@puppy/cgroups/fake'
import { openFirewall } from '@puppy/firewall'
import { createFakeNft } from '@puppy/firewall/fake'
import { createHost } from '@puppy/host'
import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import { scratchFolder } from '@puppy/host/testing'
import { openQuota } from '@puppy/quota'
import { createFakeQuota } from '@puppy/quota/fake'
import type { PlannedChange } from '@puppy/state/store/hosts'
import type { Test } from 'tap'
import { accountsFacility } from '../../src/facilities/accounts.ts'
import { cgroupsFacility } from '../../src/facilities/cgroups.ts'
import type { Facility, Step } from '../../src/facilities/facility.ts'
import { firewallFacility } from '../../src/facilities/firewall.ts'
import { haproxyFacility } from '../../src/facilities/haproxy.ts'
import { portsFacility } from '../../src/facilities/ports.ts'
import { quotaFacility } from '../../src/facilities/quota.ts'
import { selinuxFacility } from '../../src/facilities/selinux.ts'
import { createFakePolicy } from './policy.ts'
import { openTestProxy } from './proxy.ts'

const firstPort = 20_000

/** Creates every facility of the agent: accounts with real files below a folder, the real HAProxy, and the fakes of the libraries. */
export async function everyFacility(t: Test, base: Parameters<typeof slotAt>[0], count = 4) {
  const own = { ...base, firstPort, portLimit: firstPort + count * base.portsPerSlot }
  const slots = Array.from({ length: count }, (_, n) => slotAt(own, n))
  const uids = { first: slots[0]!.uid, last: slots.at(-1)!.uid }
  const cgroups = createFakeCgroups({ version: 257, bpf: true })
  const cgroupsHost = createFakeHost({ programs: cgroups.programs, files: { ...cgroups.files, '/run/x': '' } })
  const quota = createFakeQuota()
  const quotaHost = createFakeHost({
    programs: { ...quota.programs, '/usr/bin/find': () => ({ stdout: '' }) },
    files: quota.files,
  })
  const nft = createFakeNft()
  const firewallHost = createFakeHost({ programs: { '/usr/sbin/nft': nft.program }, files: { '/run/x': '' } })
  const selinuxHost = createFakeHost({
    programs: labellingPrograms(),
    files: selinuxFiles(slots.map(({ home }) => home)),
  })
  const accountsRoot = scratchFolder(t)
  for (const folder of ['etc/skel', 'tmp', 'var/tmp', 'var/mail'])
    mkdirSync(join(accountsRoot, folder), { recursive: true })
  const accountsHost = createHost({ root: accountsRoot })
  const proxy = await openTestProxy(t)
  const facilities: readonly Facility[] = [
    accountsFacility({ host: accountsHost, machine: accountsHost, layout: own }),
    cgroupsFacility({
      host: cgroupsHost,
      layout: own,
      policy: createFakePolicy(cgroupsHost),
      runFolder: '/run/puppy/cgroups',
      cgroupfs: cgroups.cgroupfs,
    }),
    quotaFacility({ host: quotaHost, quota: openQuota(quotaHost, '/home'), tenantUids: uids }),
    firewallFacility({
      host: firewallHost,
      firewall: openFirewall(firewallHost, { folder: '/run/puppy/firewall' }),
      tenantUids: uids,
      callers: [0, 120],
      guards: [],
    }),
    selinuxFacility({ host: selinuxHost, layout: own, policy: createFakePolicy(selinuxHost) }),
    portsFacility({ host: accountsHost, firewallStands: () => true }),
    haproxyFacility(proxy.haproxy, proxy.spec),
  ]
  return { layout: own, facilities, accountsHost }
}

/** Returns programs of which a fake find(1) prints and sets contexts of homes. */
function labellingPrograms(): Record<string, FakeProgram> {
  const contexts = new Map<string, string>()
  const find: FakeProgram = ({ args, input }) => {
    if (args.includes('-files0-from')) {
      const paths = (input ?? '').split('\0').filter((path) => path !== '')
      const context = (path: string) => contexts.get(path) ?? 'system_u:object_r:user_home_dir_t:s0'
      return { stdout: paths.map((path) => `${context(path)}\0${path}\0`).join('') }
    }
    const home = args[1] ?? ''
    const level = (args[args.indexOf('-context') + 1] ?? '').replace('puppy_u:*:', '')
    const context = `puppy_u:object_r:user_home_dir_t:${level}`
    if (args.includes('-execdir')) contexts.set(home, context)
    return { stdout: args.includes('-quit') && contexts.get(home) !== context ? `${home}\0` : '' }
  }
  const quiet: FakeProgram = () => ({})
  return {
    '/usr/bin/find': find,
    '/usr/bin/chcon': quiet,
    '/usr/bin/setpriv': quiet,
    '/usr/sbin/restorecon': quiet,
    '/usr/sbin/semodule': quiet,
  }
}

function selinuxFiles(homes: readonly string[]): Record<string, string> {
  return {
    ...Object.fromEntries(homes.map((home) => [`${home}/.profile`, ''])),
    '/sys/fs/selinux/enforce': '1',
    '/sys/fs/selinux/mls': '1',
    '/sys/fs/selinux/policyvers': '33',
    '/etc/selinux/config': 'SELINUX=enforcing\nSELINUXTYPE=default\n',
    '/var/lib/selinux/default/active/modules/100/base/cil': '',
  }
}

/** Returns facilities that add the changes of each applied step to `applied`, in order. */
export function recorded(facilities: readonly Facility[], applied: PlannedChange[]): readonly Facility[] {
  const watch = <Args extends readonly unknown[], Result>(
    method: ((...args: Args) => Promise<Step<Result>>) | undefined,
  ): ((...args: Args) => Promise<Step<Result>>) | undefined =>
    method === undefined
      ? undefined
      : async (...args) => {
          const step = await method(...args)
          return {
            ...step,
            apply: async () => {
              applied.push(...step.changes)
              return step.apply()
            },
          }
        }
  return facilities.map((facility) => {
    const { prepare, build, serve, evict } = facility
    const watched = {
      prepare: watch(prepare?.bind(facility)),
      build: watch(build?.bind(facility)),
      serve: watch(serve?.bind(facility)),
      evict: watch(evict?.bind(facility)),
    }
    const defined = Object.entries(watched).filter(([, method]) => method !== undefined)
    return { ...facility, ...Object.fromEntries(defined) }
  })
}
