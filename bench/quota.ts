import { existsSync } from 'node:fs'
import { createHost, type Host } from '../packages/host/src/index.ts'
import { openQuota, type QuotaSpec } from '../packages/quota/src/index.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const users = 1000
const first = 80_001
const rounds = 5
/** How many ids today's way is measured with. All of them take a minute on an emulated machine, so the result is multiplied. */
const sample = 50
const path = '/home'
const MiB = 2 ** 20

/** Measures how long it takes to set and to report the limits of a thousand users. The users need not exist. */
export const quota: Bench = {
  claims: ['quota.set.1000', 'quota.report.1000'],
  cannotRun: () => {
    if (process.getuid?.() !== 0) return 'needs root'
    if (process.env['TESTBED_GUEST'] === undefined)
      return 'sets limits on /home, so it runs only in a guest of the testbed'
    return existsSync('/usr/sbin/setquota') ? undefined : 'setquota is not installed'
  },
  run: async () => {
    const host = createHost()
    const ids = Array.from({ length: users }, (_, n) => first + n)
    const none = { soft: 'none', hard: 'none' } as const
    try {
      return await measure(host, ids)
    } finally {
      await openQuota(host, path).ensure(ids.map((id) => ({ id, bytes: none, inodes: none })))
    }
  },
}

async function measure(host: Host, ids: readonly number[]): Promise<readonly Claim[]> {
  const volume = openQuota(host, path)
  const specOf = (factor: number): readonly QuotaSpec[] =>
    ids.map((id) => ({
      id,
      bytes: { soft: factor * MiB, hard: 2 * factor * MiB },
      inodes: { soft: 100 * factor, hard: 200 * factor },
    }))
  const line = (id: number, factor: number) => `${id} ${factor * 1024} ${factor * 2048} ${100 * factor} ${200 * factor}`
  const setquota = (words: readonly string[], input?: string) =>
    host.run(['/usr/sbin/setquota', '-u', ...words, path], {
      touches: 'machine',
      ...(input === undefined ? {} : { input }),
    })
  const bareSet = (factor: number) => setquota(['-b'], ids.map((id) => `${line(id, factor)}\n`).join(''))
  const bareReport = () =>
    host.run(['/usr/sbin/repquota', '-u', '-v', '-n', '-p', '-O', 'csv', path], { touches: 'nothing' })

  const times = {
    overwrite: [] as number[],
    set: [] as number[],
    apply: [] as number[],
    same: [] as number[],
    read: [] as number[],
    bareSet: [] as number[],
    bareReport: [] as number[],
  }
  await bareSet(1)
  for (let round = 0; round < rounds; round += 1) {
    times.bareSet.push(await time(() => bareSet(2)))
    times.bareReport.push(await time(bareReport))
    times.read.push(await time(() => volume.report()))
    times.overwrite.push(await time(() => volume.ensure(specOf(5), { overwrite: true })))
    times.set.push(await time(() => volume.ensure(specOf(3))))
    times.same.push(await time(() => volume.ensure(specOf(3))))
    const changeSet = volume.plan(specOf(4), await volume.read(specOf(4)))
    times.apply.push(await time(() => volume.apply(changeSet)))
  }
  const one = await time(() =>
    shell(
      host,
      ids.slice(0, sample).map((id) => `setquota -u ${line(id, 5)} ${path}`),
    ),
  )
  const floor = median(times.bareSet) + median(times.bareReport)
  return [
    claimOf(
      'quota.set.1000',
      { ours: median(times.overwrite), floor, today: one * (users / sample) },
      {
        more: {
          bareSet: median(times.bareSet),
          bareReport: median(times.bareReport),
          planAtHand: median(times.apply),
          readAndPlanToo: median(times.set),
          noChange: median(times.same),
        },
        floorIs: `setquota -b of ${users} lines (bareSet) and one repquota to read it back (bareReport)`,
        todayIs: `setquota in a shell loop, one process for each id (${sample} ids, times ${users / sample})`,
      },
    ),
    claimOf(
      'quota.report.1000',
      {
        ours: median(times.read),
        floor: median(times.bareReport),
        today: (await oneByOne(host, ids)) * (users / sample),
      },
      {
        floorIs: `repquota of ${users} ids, without parsing`,
        todayIs: `quota -u in a shell loop, one process for each id (${sample} ids, times ${users / sample})`,
      },
    ),
  ]
}

function oneByOne(host: Host, ids: readonly number[]): Promise<number> {
  return time(() =>
    shell(
      host,
      ids.slice(0, sample).map((id) => `quota -u -p -w -f ${path} ${id} >/dev/null || true`),
    ),
  )
}

/** Runs today's way: a shell loop, which starts processes faster than this project does. */
function shell(host: Host, lines: readonly string[]): Promise<unknown> {
  const options = { touches: 'machine', input: lines.join('\n'), timeout: 300_000 } as const
  return host.run(['/bin/sh', '-e', '-s'], options)
}
