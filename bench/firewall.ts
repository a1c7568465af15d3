import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHost } from '../packages/host/src/index.ts'
import { openFirewall, type WallSettings } from '../packages/firewall/src/index.ts'
import { cannotRun, createLab, type Lab } from '../packages/firewall/test/support/lab.ts'
import { crowd } from '../packages/firewall/test/support/settings.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const tenants = 2816
const rounds = 7
/** Rule by rule takes minutes, and each rule longer than the one before: so many are measured, the rest is reckoned as quick. */
const sample = 176

/** The walls of a full host, loaded into a network namespace of its own. */
export const firewall: Bench = {
  claims: ['firewall.load.2816'],
  cannotRun: () => (cannotRun === false ? undefined : cannotRun),
  run: async () => {
    const cleanups: (() => unknown)[] = []
    const folder = await mkdtemp('/tmp/puppy-bench-')
    try {
      return await measure(await createLab({ teardown: (work) => cleanups.push(work) }), folder)
    } finally {
      for (const work of cleanups.toReversed()) await work()
      await rm(folder, { recursive: true })
    }
  },
}

async function measure(lab: Lab, folder: string): Promise<readonly Claim[]> {
  const settings = crowd(tenants)
  const fewer: WallSettings = { ...settings, slots: settings.slots.slice(0, -1) }
  const walls = openFirewall(createHost(), { netns: lab.netns, folder })
  const flush = () => lab.nft('flush', 'ruleset')
  const files = { floor: join(folder, 'floor.nft'), today: join(folder, 'today.sh') }
  await walls.ensure(settings)
  await writeFile(files.floor, await lab.nft('list', 'table', 'inet', 'puppy'))
  await writeFile(files.today, ruleByRule({ ...settings, slots: settings.slots.slice(0, sample) }))
  await chmod(files.today, 0o700)

  const times = {
    ours: [] as number[],
    floor: [] as number[],
    list: [] as number[],
    slot: [] as number[],
    same: [] as number[],
  }
  for (let round = 0; round < rounds; round += 1) {
    await flush()
    times.floor.push(await time(() => lab.nft('-f', files.floor)))
    times.list.push(await time(() => lab.nft('-j', 'list', 'table', 'inet', 'puppy')))
    await flush()
    times.ours.push(await time(() => walls.ensure(settings)))
    times.same.push(await time(() => walls.ensure(settings)))
    await walls.ensure(fewer)
    times.slot.push(await time(() => walls.ensure(settings)))
  }
  await flush()
  const today = (await time(() => lab.inside(files.today))) * (tenants / sample)
  return [
    claimOf(
      'firewall.load.2816',
      { ours: median(times.ours), floor: median(times.floor) + median(times.list), today },
      {
        more: {
          bareLoad: median(times.floor),
          bareListing: median(times.list),
          oneSlotMore: median(times.slot),
          noChange: median(times.same),
        },
        floorIs: `nft -f FILE of the same table with ${tenants} tenants (bareLoad), and nft -j list table to read it back (bareListing)`,
        todayIs: `nft add rule, three for each tenant, one command after the other: ${sample} tenants, times ${tenants / sample}`,
      },
    ),
  ]
}

/** What people write: rules per tenant, one command each. */
function ruleByRule({ slots }: WallSettings): string {
  const add = (chain: string, rule: string) => `nft add rule inet today ${chain} ${rule}`
  return [
    '#!/bin/sh -e',
    'nft add table inet today',
    "nft add chain inet today output '{ type filter hook output priority 0; }'",
    "nft add chain inet today input '{ type filter hook input priority 0; }'",
    ...slots.flatMap(({ uid, firstPort, lastPort }) => [
      add('output', `tcp sport ${firstPort}-${lastPort} meta skuid != ${uid} drop`),
      add('output', `oif lo tcp dport ${firstPort}-${lastPort} meta skuid != { 0, 990, ${uid} } reject with tcp reset`),
      add('input', `iif != lo tcp dport ${firstPort}-${lastPort} drop`),
    ]),
    '',
  ].join('\n')
}
