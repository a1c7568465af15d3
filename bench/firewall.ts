import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHost } from '../packages/host/src/index.ts'
import { openFirewall, type FirewallSpec } from '../packages/firewall/src/index.ts'
import { cannotRun, createLab, type Lab } from '../packages/firewall/test/support/lab.ts'
import { crowd } from '../packages/firewall/test/support/settings.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const tenants = 2816
const rounds = 7
/** How many tenants today's way is measured with. All of them take minutes, and each rule takes longer than the rule before it. */
const sample = 176

/** Measures how long it takes to load the table of a full host into a separate network namespace. */
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
  const fewer: FirewallSpec = { ...settings, slots: settings.slots.slice(0, -1) }
  const table = openFirewall(createHost(), { netns: lab.netns, folder })
  const flush = () => lab.nft('flush', 'ruleset')
  const files = { floor: join(folder, 'floor.nft'), today: join(folder, 'today.sh') }
  await table.ensure(settings)
  await writeFile(files.floor, await lab.nft('list', 'table', 'inet', 'puppy'))
  await writeFile(files.today, ruleByRule({ ...settings, slots: settings.slots.slice(0, sample) }))
  await chmod(files.today, 0o700)

  const bare = async () => {
    await flush()
    return time(() => lab.nft('-f', files.floor))
  }
  const first = async () => {
    await flush()
    return time(() => table.ensure(settings))
  }
  const without = { ours: [] as number[], bare: [] as number[] }
  const times = { ours: [] as number[], bare: [] as number[], slot: [] as number[], same: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    without.bare.push(await bare())
    without.ours.push(await first())
  }
  const list = median(await repeat(rounds, () => time(() => lab.nft('-j', 'list', 'table', 'inet', 'puppy'))))
  const names = await addLogins(lab, settings)
  try {
    for (let round = 0; round < rounds; round += 1) {
      times.bare.push(await bare())
      times.ours.push(await first())
      times.same.push(await time(() => table.ensure(settings)))
      await table.ensure(fewer)
      times.slot.push(await time(() => table.ensure(settings)))
    }
    await flush()
  } finally {
    await rm(names, { recursive: true })
  }
  const today = (await time(() => lab.inside(files.today))) * (tenants / sample)
  return [
    claimOf(
      'firewall.load.2816',
      { ours: median(times.ours), floor: median(times.bare), today },
      {
        more: {
          oneSlotMore: median(times.slot),
          noChange: median(times.same),
          oursWithoutLogins: median(without.ours),
          floorWithoutLogins: median(without.bare),
          bareListing: list,
        },
        floorIs: `nft -f FILE of the same table, without reading it back, with ${tenants} logins of tenants in /etc/passwd (WithoutLogins: with none)`,
        todayIs: `nft add rule, three commands for each tenant, one after the other (${sample} tenants, times ${tenants / sample})`,
      },
    ),
  ]
}

/** Adds logins of the tenants to `/etc/passwd` as seen in the network namespace; see ip-netns(8). Returns the folder to delete. */
async function addLogins({ netns }: Lab, { slots }: FirewallSpec): Promise<string> {
  const folder = `/etc/netns/${netns}`
  const logins = slots.map(({ uid }) => `t${uid}:x:${uid}:${uid}::/srv/puppy/${uid}:/bin/bash\n`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'passwd'), `${await readFile('/etc/passwd', 'utf8')}${logins.join('')}`)
  return folder
}

async function repeat(count: number, work: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = []
  for (let round = 0; round < count; round += 1) times.push(await work())
  return times
}

/** Renders today's way: rules for each tenant, one command for each rule. */
function ruleByRule({ slots }: FirewallSpec): string {
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
