import { slotAt } from '@puppy/accounts'
import { createFakeCgroups } from '@puppy/cgroups/fake'
import { createFakeHost } from '@puppy/host/fake'
import t, { type Test } from 'tap'
import { sampleProcesses, useOf } from '../src/process-usage.ts'
import { findUsage } from '@puppy/state/store/usage'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addHostWith } from './support/agents.ts'
import { smallLayout } from './support/rows.ts'

const postgres = await startPostgres(t)
const { uid } = slotAt(smallLayout, 0)
const slice = `user-${uid}.slice`
const path = `user.slice/${slice}`

async function open(t: Test) {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken', 'free'])
  const fake = createFakeCgroups()
  const bootId = '/proc/sys/kernel/random/boot_id'
  const machine = createFakeHost({ files: { [bootId]: '0f6a6f1e-0000-4000-8000-000000000001\n' } })
  const account = await addAccount(database.owner, 'blog', 0)
  return {
    database,
    fake,
    machine,
    account,
    sample: () => sampleProcesses(database.agent, 'h1', { machine, layout: smallLayout, cgroupfs: fake.cgroupfs }),
    used: async () => (await findUsage(database.api, account))?.processes,
    boot: (id: string) => machine.replace(bootId, `${id}\n`),
    /** Starts a session, on a machine that counts disk I/O. */
    login: async () => {
      await fake.login(slice, 4242)
      for (const group of ['', 'user.slice']) await fake.cgroupfs.write(group as never, 'cgroup.subtree_control', '+io')
    },
    spend: (usec: number, bytes = 0) => {
      fake.put(
        path,
        'cpu.stat',
        `usage_usec ${usec}\nuser_usec 0\nsystem_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 7\n`,
      )
      fake.put(path, 'pids.current', '1\n')
      fake.put(path, 'memory.current', `${bytes}\n`)
      fake.put(path, 'io.stat', '254:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n')
    },
  }
}

void t.test('sampleProcesses() adds the use of the slice to the total of the account', async (t) => {
  const { login, sample, used, spend } = await open(t)
  await sample()
  t.match(await used(), { total: { cpuUsec: 0 }, now: { memoryBytes: 0, processes: 0 } }, 'nothing runs')
  await login()
  spend(1000, 4096)
  await sample()
  const total = {
    cpuUsec: 1000,
    throttledUsec: 7,
    readBytes: 10,
    writtenBytes: 20,
    readOperations: 1,
    writtenOperations: 2,
  }
  t.match(await used(), { total, now: { memoryBytes: 4096, processes: 1 } })
  spend(1500)
  await sample()
  await sample()
  t.match(await used(), { total: { cpuUsec: 1500, readBytes: 10 }, now: { memoryBytes: 0 } })
})

void t.test('sampleProcesses() continues the total after a new slice and after a boot', async (t) => {
  const { login, sample, used, spend, boot } = await open(t)
  await login()
  spend(1000)
  await sample()
  spend(300)
  await sample()
  t.match(await used(), { total: { cpuUsec: 1300 } }, 'the slice was created again')
  await boot('0f6a6f1e-0000-4000-8000-000000000002')
  spend(400)
  await sample()
  t.match(
    await used(),
    { total: { cpuUsec: 1700 } },
    'after a boot every counter starts at zero, also one that is higher than before',
  )
})

void t.test('sampleProcesses() writes nothing without new use, and nothing for a deleted account', async (t) => {
  const { database, account, login, sample, used, spend } = await open(t)
  await login()
  spend(1000)
  await sample()
  const at = async () => (await findUsage(database.api, account))?.sampledAt
  const before = await at()
  await sample()
  t.same(await at(), before)
  await database.owner.query('update accounts set deleted_at = now() where id = $1', [account])
  spend(2000)
  await sample()
  t.match(await used(), { total: { cpuUsec: 1000 } })
})

void t.test('useOf() counts zero for a slice that does not exist', async (t) => {
  const before = useOf(null, { cpu: { usageUsec: 5n } }, 'boot')
  t.match(before, { total: { cpuUsec: 5 }, last: { cpuUsec: 5 }, disks: false })
  const gone = useOf(before, undefined, 'boot')
  t.match(gone, { total: { cpuUsec: 5 }, last: { cpuUsec: 0 }, now: { processes: 0 } })
  t.match(useOf(gone, { cpu: { usageUsec: 7n } }, 'boot'), { total: { cpuUsec: 12 } })
  const counted = useOf(gone, { io: new Map() }, 'boot')
  t.strictSame([counted.disks, useOf(counted, undefined, 'boot').disks], [true, true])
})
