import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openQuota } from '../src/quota.ts'
import { emptyReading } from '../src/report.ts'
import { openFake } from './support/open.ts'

const MiB = 1024 * 1024
const none = { soft: 'none', hard: 'none', status: 'ok' } as const

void t.test('openQuota() wants an absolute path', async (t) => {
  for (const path of ['', 'home', '-x', '/a\0b'])
    t.throws(() => openQuota(createFakeHost(), path), { code: 'QUOTA_INVALID' })
})

void t.test('read() gives the ids in the order asked for, those without anything too', async (t) => {
  const { quota, fake } = openFake()
  fake.use('user', 6, { bytes: MiB, inodes: 3 })
  const six = { id: 6, bytes: { used: MiB, ...none }, inodes: { used: 3, ...none } }
  t.strictSame(await quota.read('user', [7, 6, 0]), [emptyReading(7), six, emptyReading(0)])
  t.strictSame(await quota.read('user'), [six])
})

void t.test('read() writes out before, when what it says is to be a proof', async (t) => {
  const { quota, ran } = openFake()
  await quota.read('user', [5])
  t.notOk(ran().includes('sync'))
  await quota.read('user', [5], { sync: true })
  t.strictSame(ran().slice(-2), ['sync', 'repquota'])
})

void t.test('plan() refuses where limits would not hold', async (t) => {
  const { quota } = openFake({ kinds: { user: 'accounting', group: 'off' } })
  await t.rejects(quota.plan('user', [{ id: 5, bytes: { hard: MiB } }]), { code: 'QUOTA_OFF' })
  await t.rejects(quota.set('group', [{ id: 5, bytes: { hard: MiB } }]), { code: 'QUOTA_OFF' })
  t.strictSame(await quota.read('user'), [], 'what is counted can be read')
})

void t.test('set() passes force on', async (t) => {
  const { quota, fake } = openFake()
  fake.use('user', 6, { bytes: 2 * MiB, inodes: 3 })
  const wanted = [{ id: 6, bytes: { hard: MiB } }]
  const { changed, results } = await quota.set('user', wanted)
  t.equal(changed, false)
  t.strictSame(
    results.map(({ id, error }) => [id, error?.code]),
    [[6, 'QUOTA_BELOW_USAGE']],
  )
  t.match(await quota.set('user', wanted, { force: true }), { changed: true })
  t.strictSame(
    (await quota.read('user', [6])).map(({ id, bytes }) => [id, bytes.hard, bytes.status]),
    [[6, MiB, 'hard']],
  )
})

void t.test('set() with overwrite reads nothing first, and reads back', async (t) => {
  const { quota, fake, host } = openFake()
  fake.use('user', 6, { bytes: 2 * MiB, inodes: 3 })
  await quota.plan('user', [])
  const both = { bytes: { soft: 'none', hard: MiB }, inodes: { soft: 10, hard: 20 } } as const
  const wanted = [
    { id: 6, ...both },
    { id: 7, ...both },
    { id: 8, bytes: both.bytes },
    { id: 9, ...both, inodes: { soft: 30, hard: 20 } },
    { id: 0, ...both },
  ]
  const before = host.commands.length
  const { changed, results } = await quota.set('user', wanted, { overwrite: true })
  const programs = host.commands.slice(before).map(([program]) => program.slice(program.lastIndexOf('/') + 1))
  t.strictSame(programs.toSorted(), ['repquota', 'setquota', 'xfs_quota'])
  t.equal(changed, true)
  t.strictSame(
    results.map(({ id, changed: one, reading, error }) => [id, one, reading?.bytes.status, error?.code]),
    [
      [6, true, 'hard', undefined],
      [7, true, 'ok', undefined],
      [8, false, undefined, 'QUOTA_INVALID'],
      [9, false, undefined, 'QUOTA_INVALID'],
      [0, false, undefined, 'QUOTA_INVALID'],
    ],
  )
  t.equal(results[0]?.reading?.bytes.hard, MiB)
  t.match(results[2]?.error?.message, /all four limits/)
  await t.rejects(quota.set('user', wanted, { overwrite: true, atomic: true }), {
    code: 'QUOTA_INVALID',
    message: /take atomic or overwrite/,
  })
})

void t.test('set() on a host that is only a folder is planned and not done', async (t) => {
  const { fake } = openFake()
  const host = createFakeHost({ live: false, programs: fake.programs, files: fake.files })
  const quota = openQuota(host, '/home')
  t.equal((await quota.plan('user', [{ id: 5, bytes: { hard: MiB } }])).changes.length, 1)
  await t.rejects(quota.set('user', [{ id: 5, bytes: { hard: MiB } }]), { code: 'HOST_NOT_LIVE' })
})
