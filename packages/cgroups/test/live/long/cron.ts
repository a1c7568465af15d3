import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices, readStrays, readUsage } from '../../../src/index.ts'
import { installCrontab, installPamProfile, removeCrontab } from '../../support/pam.ts'
import { bomb, createTenants, eventually, group, storm, textOf, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const slices = openSlices(host, { runFolder: '/run/puppy-cgroups-live' })
const skip = await whyNot(host, 'python3', 'cron', 'crontab', 'pam-auth-update', 'useradd')
const MiB = 1024 ** 2
const run = (program: string, ...args: readonly string[]) =>
  host.run([host.program(program) ?? program, ...args], {
    touches: 'machine',
    timeout: 120_000,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })

t.setTimeout(600_000)

void t.test(
  'with the PAM profile, a cron job of a tenant runs in its slice and is limited, and the job of another user is not moved',
  { skip },
  async (t) => {
    const [a] = (await createTenants(t, host, [10_931])) as [Tenant]
    const [other] = (await createTenants(t, host, [10_932], 'users')) as [Tenant]
    t.teardown(async () => {
      for (const { name } of [a, other]) await removeCrontab(host, name)
      await slices.remove([a.slice])
    })
    await installPamProfile(t, host)
    t.match(await textOf(host, '/etc/pam.d/common-session-noninteractive'), new RegExp(`ingroup ${group}`))

    await slices.ensure([{ slice: a.slice, limits: { memory: { max: 120 * MiB, swapMax: 0 }, pids: { max: 40 } } }])
    const mine = { mode: 0o644, uid: a.uid, gid: a.uid }
    await host.replace(`/home/${a.name}/storm.py`, storm, mine)
    await host.replace(`/home/${a.name}/bomb.py`, bomb, mine)
    const where = 'cat /proc/self/cgroup > where.now; mv where.now where'
    const jobs = [
      [
        a,
        `${where}; python3 storm.py > storm.now; mv storm.now storm; python3 bomb.py > bomb; echo $? > bombed; sleep 20`,
      ],
      [other, `${where}; sleep 40`],
    ] as const
    for (const [{ name }, job] of jobs) await installCrontab(host, name, job)
    const there = async ({ name: user }: Tenant, file: string) =>
      (await host.status(`/home/${user}/${file}`)) !== undefined
    await eventually(async () => (await there(a, 'where')) && (await there(other, 'where')), 110_000)
    t.match(await textOf(host, `/home/${a.name}/where`), `/${a.path}/session-`)
    t.match(await textOf(host, `/home/${other.name}/where`), '/system.slice/cron.service')
    const strays = await readStrays(host, [a.uid, other.uid])
    t.ok(strays.length > 0 && strays.every(({ uid }) => uid === other.uid))
    t.match(strays[0], { uid: other.uid, group: /cron\.service/, advice: /renderPamProfile/ })
    await eventually(() => there(a, 'bombed'), 40_000)
    t.match(await textOf(host, `/home/${a.name}/storm`), /made \d+ refused [1-9]/)
    t.equal(await textOf(host, `/home/${a.name}/bombed`), '137')
    const usage = (await readUsage(host, [a.path])).get(a.path)
    t.ok(Number(usage?.memory?.peak) <= 120 * MiB, `memory at most ${usage?.memory?.peak}`)
    t.ok(Number(usage?.pids?.peak) <= 40, `pids at most ${usage?.pids?.peak}`)
    t.match((await run('loginctl', 'list-sessions')).stdout, a.name, 'logind still works')
  },
)
