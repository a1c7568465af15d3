import { slotAt } from '@puppy/accounts'
import { createFakeHost } from '@puppy/host/fake'
import { openQuota } from '@puppy/quota'
import { createFakeQuota } from '@puppy/quota/fake'
import t from 'tap'
import { sampleDisk } from '../src/disk.ts'
import { findUsage } from '@puppy/state/store/usage'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addHostWith } from './support/agents.ts'
import { smallLayout } from './support/rows.ts'

const postgres = await startPostgres(t)
const { signal } = new AbortController()
const [first, second] = [slotAt(smallLayout, 0).uid, slotAt(smallLayout, 1).uid]

void t.test(
  'sampleDisk() records the disk use of each account with one report, and deletes it without a source',
  async (t) => {
    const database = await postgres.create(t)
    await addHostWith(database, ['taken', 'taken', 'free'])
    const fake = createFakeQuota()
    const host = createFakeHost({ programs: fake.programs, files: fake.files })
    const source = { layout: smallLayout, quota: openQuota(host, '/home') }
    const sample = (from?: typeof source) => sampleDisk(database.agent, 'h1', from, signal)
    await sample(source)
    t.equal(host.commands.length, 0, 'without accounts it runs no program')

    const blog = await addAccount(database.owner, 'blog', 0)
    const shop = await addAccount(database.owner, 'shop', 1)
    fake.meddle('user', first, [0, 1024, 0, 100])
    fake.use('user', first, { bytes: 8192, inodes: 3 })
    await sample(source)
    t.strictSame((await findUsage(database.api, blog))?.disk, {
      bytes: { used: 8192, limit: 1024 * 1024 },
      inodes: { used: 3, limit: 100 },
    })
    t.strictSame((await findUsage(database.api, shop))?.disk, { bytes: { used: 0 }, inodes: { used: 0 } })
    const before = host.commands.length
    fake.use('user', first, { bytes: 4096, inodes: 2 })
    fake.use('user', second, { bytes: 0, inodes: 1 })
    await sample(source)
    t.equal(host.commands.length, before + 1)
    t.match((await findUsage(database.api, blog))?.disk, { bytes: { used: 4096 }, inodes: { used: 2 } })
    t.match((await findUsage(database.api, shop))?.disk, { inodes: { used: 1 } })

    await database.owner.query('update accounts set deleted_at = now() where id = $1', [shop])
    fake.use('user', second, { bytes: 0, inodes: 9 })
    await sample(source)
    t.match(
      (await findUsage(database.api, shop))?.disk,
      { inodes: { used: 1 } },
      'use after the deletion does not count for it',
    )
    await sample()
    t.equal((await findUsage(database.api, blog))?.disk, null)
  },
)
