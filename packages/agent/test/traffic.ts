import { slotAt } from '@puppy/accounts'
import { openFirewall } from '@puppy/firewall'
import { createFakeNft } from '@puppy/firewall/fake'
import { createFakeHost } from '@puppy/host/fake'
import t, { type Test } from 'tap'
import { sampleTraffic, stepOf } from '../src/traffic.ts'
import type { MeterReading } from '@puppy/state/store/meters'
import { findUsage } from '@puppy/state/store/usage'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addHostWith } from './support/agents.ts'
import { smallLayout } from './support/rows.ts'

const postgres = await startPostgres(t)
const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const uid = slots[0]?.uid ?? 0
const settings = {
  slots: slots.map((slot) => ({ uid: slot.uid, firstPort: slot.ports[0] ?? 0, lastPort: slot.ports.at(-1) ?? 0 })),
  tenantUids: { first: uid, last: uid + 9 },
  callers: [0],
}

/** Opens a host with two free slots and a table that counts. */
async function open(t: Test) {
  const database = await postgres.create(t)
  await addHostWith(database, ['free', 'free'])
  const nft = createFakeNft()
  const bootId = '/proc/sys/kernel/random/boot_id'
  const machine = createFakeHost({
    programs: { '/usr/sbin/nft': nft.program },
    files: { '/run/x': '', [bootId]: '0f6a6f1e-0000-4000-8000-000000000001\n' },
  })
  const firewall = openFirewall(machine, { folder: '/run/puppy/firewall' })
  const load = () => firewall.ensure(settings)
  await load()
  const count = (bytes: number, slot = 0) => {
    for (const [set, times] of [
      ['sent', 1],
      ['received', 2],
    ] as const)
      nft.count('puppy', set, slots[slot]?.uid ?? 0, { packets: bytes, bytes: bytes * times })
  }
  const sample = () => sampleTraffic(database.agent, 'h1', { machine, layout: smallLayout, firewall }, signal)
  /** Assigns slot 0 to an account, as the API and the agent do. */
  const give = async (name: string) => {
    await database.owner.query(`update slots set state = 'taken' where n = 0`)
    return addAccount(database.owner, name, 0)
  }
  const release = async (account: number) => {
    await database.owner.query('update accounts set deleted_at = now() where id = $1', [account])
    await database.owner.query(`update slots set state = 'dirty' where n = 0`)
  }
  const sent = async (account: number) => (await findUsage(database.api, account))?.sent
  const boot = (id: string) => machine.replace(bootId, `${id}\n`)
  return { database, nft, machine, load, count, sample, give, release, sent, boot }
}

void t.test('sampleTraffic() adds new traffic to the account on the slot, with one listing', async (t) => {
  const { database, machine, count, sample, give } = await open(t)
  await sample()
  const blog = await give('blog')
  t.equal(await findUsage(database.api, blog), undefined)
  count(100)
  const before = machine.commands.length
  await sample()
  t.equal(machine.commands.length - before, 1)
  t.match(await findUsage(database.api, blog), { sent: 100, received: 200, requests: 0 }, 'from the first byte')
  count(150)
  await sample()
  await sample()
  t.match(await findUsage(database.api, blog), { sent: 150, received: 300 })
})

void t.test('sampleTraffic() continues the total after a flush, a replaced table and a reboot', async (t) => {
  const { nft, load, count, sample, give, sent, boot } = await open(t)
  await sample()
  const blog = await give('blog')
  count(100)
  await sample()
  nft.flushRuleset()
  t.equal(await sample(), false, 'it reports that the counters are missing')
  t.equal(await sent(blog), 100, 'a deleted table counts nothing')
  await load()
  count(300)
  await sample()
  t.equal(await sent(blog), 400, 'also when the new table counted more than the old one')
  count(7)
  await sample()
  t.equal(await sent(blog), 407, 'the table was replaced between two samples')
  await boot('0f6a6f1e-0000-4000-8000-000000000002')
  count(50)
  await sample()
  t.equal(await sent(blog), 457, 'the boot id shows a reboot')
  t.equal(await sample(), true)
})

void t.test('sampleTraffic() adds no traffic of one tenant to the next', async (t) => {
  const { database, count, sample, give, release, sent } = await open(t)
  await sample()
  const first = await give('first')
  count(100)
  await sample()
  count(120)
  await release(first)
  await sample()
  count(130)
  const second = await give('second')
  await sample()
  t.equal(await sent(second), 0, 'the slot was not seen clean: traffic in between counts for no account')
  count(140)
  await sample()
  t.equal(await sent(second), 10)
  t.equal(await sent(first), 100, 'the total of the deleted account stays while its row exists')
  await release(second)
  await database.owner.query(`update slots set state = 'free' where n = 0`)
  await sample()
  const third = await give('third')
  count(145)
  await sample()
  t.equal(await sent(third), 5, 'the slot was seen clean: every byte counts for the new account')
  await release(third)
  await give('fourth')
  count(999)
  await sample()
  t.equal(await sent(third), 5, 'there was no sample between the two accounts')
})

void t.test('sampleTraffic() counts once when several samples run at once', async (t) => {
  const { count, sample, give, sent } = await open(t)
  await sample()
  const blog = await give('blog')
  for (const bytes of [100, 200, 300]) {
    count(bytes)
    await Promise.all([sample(), sample(), sample()])
  }
  t.equal(await sent(blog), 300)
})

void t.test('sampleTraffic() starts at the counts of a table that existed before', async (t) => {
  const { count, sample, give, sent } = await open(t)
  count(1000)
  const blog = await give('blog')
  await sample()
  t.equal(await sent(blog), 0, 'the account of earlier bytes is unknown')
  count(1001)
  await sample()
  t.equal(await sent(blog), 1)
})

void t.test('sampleTraffic() reports no missing counters while no slot is built', async (t) => {
  const { database, nft, sample } = await open(t)
  nft.flushRuleset()
  t.equal(await sample(), false)
  await database.owner.query(`update slots set state = 'building'`)
  t.equal(await sample(), true)
  await database.owner.query('delete from slots')
  t.equal(await sample(), true)
})

void t.test('sampleTraffic() writes nothing without new traffic', async (t) => {
  const { database, count, sample, give } = await open(t)
  await give('blog')
  count(5)
  await sample()
  const rows = 'select xmin::text, sampled_at from usage union all select xmin::text, null from meters'
  const before = await database.owner.query(rows)
  await sample()
  t.strictSame(await database.owner.query(rows), before)
})

const counted = (bytes: number) => ({
  uid,
  sentBytes: bytes,
  sentPackets: bytes,
  receivedBytes: bytes,
  receivedPackets: bytes,
})
const last = (more: Partial<MeterReading> = {}): MeterReading => ({
  account: 7,
  clean: false,
  boot: 'b',
  counted: counted(100),
  ...more,
})
for (const [title, before, sent] of [
  ['of the same account', last(), 20],
  ['of a clean slot', last({ account: null, clean: true }), 20],
  ['of another account', last({ account: 6 }), 0],
  ['of a slot that was being cleaned', last({ account: null }), 0],
  ['that does not exist', null, 0],
  ['of another boot', last({ boot: 'a' }), 120],
  ['of counters that were higher', last({ counted: counted(121) }), 120],
] as const) {
  void t.test(`stepOf() after a reading ${title}`, async (t) => {
    t.match(stepOf({ n: 0, account: 7, clean: false, last: before }, counted(120), 'b'), { n: 0, before, sent })
  })
}

void t.test('stepOf() returns undefined for the same reading', async (t) => {
  t.equal(stepOf({ n: 0, account: 7, clean: false, last: last() }, counted(100), 'b'), undefined)
})
