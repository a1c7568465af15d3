import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices } from '../../src/index.ts'
import { createTenants, eventually, textOf, whyNot, type Tenant } from '../support/tenants.ts'

const host = createHost()
const skip = await whyNot(host, 'python3', 'ssh', 'useradd')
const slices = openSlices(host, { runFolder: '/run/puppy-cgroups-live' })
const MiB = 1024 ** 2
t.setTimeout(600_000)

void t.test(
  'ensure() lowers memory.max of a slice in use without killing a process, or refuses',
  { skip },
  async (t) => {
    const [a] = (await createTenants(t, host, [10_916])) as [Tenant]
    t.teardown(() => slices.remove([a.slice]))
    const limit = (max: number) =>
      slices.ensure([{ slice: a.slice, limits: { memory: { max, swapMax: 0 } } }], { reclaimTimeout: 3000 })
    await limit(300 * MiB)
    const session = a.ssh(`python3 -c "
import time
x=bytearray(60<<20)
open('ready','w')
time.sleep(30)
print('alive')
"`)
    await eventually(async () => (await host.status(`/home/${a.name}/ready`)) !== undefined)
    await a.ssh('head -c 100M /dev/zero > big; cat big > /dev/null')
    const used = () => textOf(host, `/sys/fs/cgroup/${a.path}/memory.current`).then(Number)
    const before = await used()
    const shown = ({ results }: Awaited<ReturnType<typeof limit>>) =>
      results.map(({ target, status, error }) => [target, status, error?.code])
    t.strictSame(shown(await limit(110 * MiB)), [[a.slice, 'applied', undefined]])
    const after = await used()
    const refused = await limit(30 * MiB)
    t.strictSame(shown(refused), [[a.slice, 'refused', 'CGROUP_REFUSED']])
    t.match(refused.results[0]?.error?.message, /in use/)
    t.equal(await textOf(host, `/sys/fs/cgroup/${a.path}/memory.max`), String(110 * MiB))
    t.equal(await textOf(host, `/sys/fs/cgroup/${a.path}/memory.high`), 'max')
    t.equal(await session, 'alive')
    t.comment(`${Math.round(before / MiB)} MiB in use, ${Math.round(after / MiB)} MiB after shrinking to 110 MiB`)
  },
)
