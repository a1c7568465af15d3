import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type Host } from '../packages/host/src/index.ts'
import { renderTenantSlots } from '../packages/selinux/src/cil/index.ts'
import { openPolicy } from '../packages/selinux/src/index.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'
import { ensured, slotsOf, specOf, tenants } from './support/slots.ts'

const count = 1000
const rounds = 3
/** How many slots today's way is measured with. One transaction for each slot takes more than an hour, so the result is multiplied. */
const sample = 2
const type = 'default'
/** Measures how long it takes to add a thousand slots with eight ports each to a copy of the machine's policy. Loads no policy. */
export const selinux: Bench = {
  claims: ['selinux.pool.1000'],
  cannotRun: () => {
    if (process.getuid?.() !== 0) return 'needs root'
    if (!existsSync('/usr/sbin/semodule')) return 'semodule is not installed'
    return existsSync(`/var/lib/selinux/${type}/active`) ? undefined : `/var/lib/selinux/${type}/active does not exist`
  },
  run: async () => {
    const root = await mkdtemp(join(tmpdir(), 'bench-selinux-'))
    try {
      const machine = createHost()
      for (const folder of [`/var/lib/selinux/${type}`, `/etc/selinux/${type}`]) {
        const to = join(root, folder)
        await machine.run(['/usr/bin/mkdir', '-p', join(to, '..')], { touches: 'files' })
        await machine.run(['/usr/bin/cp', '-a', folder, to], { touches: 'files' })
      }
      await machine.run(['/usr/bin/cp', '/etc/selinux/semanage.conf', join(root, 'etc/selinux')], { touches: 'files' })
      return await measure(createHost({ root }))
    } finally {
      await rm(root, { recursive: true })
    }
  },
}

async function measure(host: Host): Promise<readonly Claim[]> {
  const policy = openPolicy(host, { type })
  const semodule = (...words: readonly string[]) =>
    host.run(['/usr/sbin/semodule', '-p', host.root, '-N', '-s', type, ...words], {
      touches: 'files',
      timeout: 600_000,
    })
  const times = {
    ours: [] as number[],
    floor: [] as number[],
    one: [] as number[],
    same: [] as number[],
    bare: [] as number[],
  }
  for (let round = 0; round < rounds; round += 1) {
    await ensured(policy, { remove: Object.keys(specOf(0).modules) })
    times.floor.push(await time(() => semodule('-B')))
    times.ours.push(await time(() => ensured(policy, specOf(count))))
    times.same.push(await time(() => ensured(policy, specOf(count))))
    times.bare.push(await time(() => semodule('-B')))
    times.one.push(await time(() => ensured(policy, specOf(count + 1))))
  }
  const today = await time(async () => {
    for (let n = 0; n < sample; n += 1) {
      const file = `/one_${n}.cil`
      await host.replace(file, renderTenantSlots(tenants, slotsOf(1, count + 10 + n)).split('\n(optional')[0] + '\n')
      await semodule('-i', host.path(file))
    }
  })
  return [
    claimOf(
      'selinux.pool.1000',
      { ours: median(times.ours), floor: median(times.floor), today: today * (count / sample) },
      {
        more: { oneMore: median(times.one), bareWithThem: median(times.bare), nothingToDo: median(times.same) },
        floorIs: 'semodule -B of the policy without the slots, without loading it',
        todayIs: `semodule -i, the module of one slot at a time (${sample} slots, times ${count / sample})`,
      },
    ),
  ]
}
