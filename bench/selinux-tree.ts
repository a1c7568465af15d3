import { mkdir, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createHost } from '../packages/host/src/index.ts'
import { relabel } from '../packages/selinux/src/index.ts'
import { pairAt, renderLevel } from '../packages/selinux/src/level.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'

const [folders, filesEach, rounds] = [400, 5, 5]
const home = '/home/bench-selinux-tree'
const [uid, user] = [24_200, 'unconfined_u']
const host = createHost()

/** Measures how long it takes to change the level of a home with many folders, such as a dependency manager creates. */
export const selinuxTree: Bench = {
  claims: ['selinux.relabel.tree'],
  cannotRun: () => {
    if (process.getuid?.() !== 0) return 'needs root'
    return existsSync('/sys/fs/selinux/enforce') ? undefined : 'SELinux is off'
  },
  run: async () => {
    try {
      for (let n = 0; n < folders; n += 1) {
        const folder = join(home, `folder-${n % 20}`, `inside-${n}`)
        await mkdir(folder, { recursive: true })
        for (let file = 0; file < filesEach; file += 1) await writeFile(join(folder, `file-${file}`), '')
      }
      await run('chown', '-R', `${uid}:${uid}`, home)
      return await measure()
    } finally {
      await rm(home, { recursive: true, force: true })
    }
  },
}

const run = (program: string, ...args: readonly string[]) =>
  host.run([host.program(program) ?? program, ...args], { touches: 'files', timeout: 300_000 })

async function measure(): Promise<readonly Claim[]> {
  const times = { ours: [] as number[], floor: [] as number[], today: [] as number[], same: [] as number[] }
  const spec = (n: number) => ({ path: home, user, uid, level: pairAt(n) })
  for (let round = 0; round < rounds; round += 1) {
    times.ours.push(await time(() => relabel(host, spec(2 * round))))
    times.same.push(await time(() => relabel(host, spec(2 * round))))
    const level = renderLevel(pairAt(2 * round + 1))
    times.floor.push(await time(() => run('chcon', '-R', '-h', '-u', user, '-l', level, '--', home)))
    times.today.push(await time(() => run('restorecon', '-R', '-F', '--', home)))
  }
  return [
    claimOf(
      'selinux.relabel.tree',
      { ours: median(times.ours), floor: median(times.floor), today: median(times.today) },
      {
        more: { nothingToDo: median(times.same) },
        floorIs: `chcon -R of a home of ${folders * filesEach} files in ${folders} folders, while no process changes them`,
        todayIs: 'restorecon -R -F, which sets no level and follows a folder that is replaced by a link',
      },
    ),
  ]
}
