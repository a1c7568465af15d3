import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createHost } from '../packages/host/src/index.ts'
import { openPolicy, type Policy } from '../packages/selinux/src/index.ts'
import { claimOf, median, time, type Bench, type Claim } from './claim.ts'
import { ensured, slotsOf, specOf } from './support/slots.ts'

const count = 1000
const rounds = 9
const files = 200
const home = '/home/bench-selinux'
const host = createHost()

/**
 * Measures how long it takes to load a thousand slots into the machine's own policy, and how much longer restorecon(8) then takes for one
 * home, because it reads all contexts.
 */
export const selinuxLoaded: Bench = {
  claims: ['selinux.pool.1000.loaded', 'selinux.relabel.home'],
  cannotRun: () => {
    if (process.getuid?.() !== 0) return 'needs root'
    if (process.env['TESTBED_GUEST'] === undefined) return 'loads a policy, so it runs only in a guest of the testbed'
    return existsSync('/sys/fs/selinux/enforce') ? undefined : 'SELinux is off'
  },
  run: async () => {
    const passwd = await readFile('/etc/passwd', 'utf8')
    const logins = slotsOf(count).map(({ login, uid }) => `${login}:x:${uid}:${uid}::/home/${login}:/bin/bash\n`)
    await mkdir(home, { recursive: true })
    for (let n = 0; n < files; n += 1) await writeFile(join(home, `file-${n}`), '')
    const names = slotsOf(count).map(({ login }) => login)
    const quiet = openPolicy(host, { hidden: () => names })
    try {
      await writeFile('/etc/passwd', passwd + logins.join(''))
      return await measure(quiet, openPolicy(host))
    } finally {
      await ensured(quiet, { remove: Object.keys(specOf(0).modules) })
      await writeFile('/etc/passwd', passwd)
      await rm(home, { recursive: true })
    }
  },
}

async function measure(quiet: Policy, ordinary: Policy): Promise<readonly Claim[]> {
  const restorecon = async () => {
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      times.push(
        await time(() =>
          host.run([host.program('restorecon') ?? '', '-R', '-F', '--', home], { touches: 'files', timeout: 60_000 }),
        ),
      )
    }
    return median(times)
  }
  const semodule = (...words: readonly string[]) =>
    host.run([host.program('semodule') ?? '', ...words], { touches: 'machine', timeout: 600_000 })
  // Each step takes a minute on an emulated machine, so each runs once.
  const floor = await time(() => semodule('-B'))
  const unlabelled = await restorecon()
  const ours = await time(() => ensured(quiet, specOf(count)))
  const labelled = await restorecon()
  const nothingToDo = await time(() => ensured(quiet, specOf(count)))
  const oneMore = await time(() => ensured(quiet, specOf(count + 1)))
  await ensured(ordinary, specOf(count))
  const seen = await restorecon()
  return [
    claimOf(
      'selinux.pool.1000.loaded',
      { ours, floor, today: floor * count },
      {
        more: { oneMore, nothingToDo },
        floorIs: 'semodule -B of the policy without the slots, loaded into the kernel',
        todayIs: `semodule once for each of ${count} slots (the floor, times ${count})`,
      },
    ),
    claimOf(
      'selinux.relabel.home',
      { ours: labelled, floor: unlabelled, today: seen },
      {
        floorIs: `restorecon of a home of ${files} files, without a tenant in the policy`,
        todayIs: `the same with ${count} logins in the policy whose users are visible to genhomedircon`,
      },
    ),
  ]
}
