import t from 'tap'
import { QuotaError } from '../src/errors.ts'
import { letters } from '../src/limits.ts'
import { explained, readAll, sync } from '../src/read.ts'
import { volumeFinder } from '../src/volume.ts'
import { openFake } from './support/open.ts'

void t.test('readAll() runs one repquota for any number of ids', async (t) => {
  const { host, fake, ran } = openFake()
  for (let id = 1; id <= 100; id += 1) fake.use('group', id, { bytes: 1, inodes: 1 })
  const volume = await volumeFinder(host, '/home')()
  t.equal((await readAll(host, volume, 'group', {})).length, 100)
  t.strictSame(ran(), ['stat', 'stat', 'repquota'])
  t.strictSame(host.commands.at(-1)?.slice(1), [letters.group, '-v', '-n', '-p', '-O', 'csv', '--', '/home'])
})

void t.test('readAll() of a kind that is off throws QUOTA_OFF with the steps', async (t) => {
  const { host } = openFake({ kinds: { group: 'off' } })
  const volume = await volumeFinder(host, '/home')()
  await t.rejects(readAll(host, volume, 'group', {}), { code: 'QUOTA_OFF', facts: { steps: Array } })
  const other = new QuotaError('QUOTA_REFUSED', { operation: 'read' })
  t.equal(await explained(other, host, volume, 'user', {}), other, 'an error with another cause is returned')
})

void t.test('sync() syncs only the one file system', async (t) => {
  const { host } = openFake()
  const volume = await volumeFinder(host, '/home')()
  await sync(host, volume, {})
  t.strictSame(host.commands.at(-1)?.slice(1), ['-f', '--', '/home'])
})

void t.test('readEach() yields one reading at a time, and ends when the caller leaves the loop', async (t) => {
  const { quota, fake, ran } = openFake()
  for (let id = 1; id <= 100; id += 1) fake.use('user', id, { bytes: id * 1024, inodes: 1 })
  const seen: number[] = []
  for await (const { id, bytes } of quota.reportEach({ sync: true })) {
    seen.push(bytes.used)
    if (id === 3) break
  }
  t.strictSame(seen, [1024, 2048, 3072])
  t.strictSame(ran().slice(-2), ['sync', 'repquota'], 'one report')
})
