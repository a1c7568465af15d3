import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openQuota } from '../src/quota.ts'
import { emptyReading } from '../src/report.ts'
import { openFake } from './support/open.ts'

const MiB = 1024 * 1024
const none = { soft: 'none', hard: 'none', status: 'ok' } as const

void t.test('openQuota() refuses a path that is not absolute or has a NUL byte', async (t) => {
  for (const path of ['', 'home', '-x', '/a\0b'])
    t.throws(() => openQuota(createFakeHost(), path), { code: 'QUOTA_INVALID' })
})

void t.test('report() returns the ids in the given order, including ids without usage and limits', async (t) => {
  const { quota, fake } = openFake()
  fake.use('user', 6, { bytes: MiB, inodes: 3 })
  const six = { id: 6, bytes: { used: MiB, ...none }, inodes: { used: 3, ...none } }
  t.strictSame(await quota.report([7, 6, 0]), [emptyReading(7), six, emptyReading(0)])
  t.strictSame(await quota.report(), [six])
})

void t.test('report() with sync syncs the file system first', async (t) => {
  const { quota, ran } = openFake()
  await quota.report([5])
  t.notOk(ran().includes('sync'))
  await quota.report([5], { sync: true })
  t.strictSame(ran().slice(-2), ['sync', 'repquota'])
})

void t.test('read() fails where limits are not enforced', async (t) => {
  const { quota, open } = openFake({ kinds: { user: 'accounting', group: 'off' } })
  await t.rejects(quota.read([{ id: 5, bytes: { hard: MiB } }]), { code: 'QUOTA_OFF' })
  await t.rejects(open('group').ensure([{ id: 5, bytes: { hard: MiB } }]), { code: 'QUOTA_OFF' })
  t.strictSame(await quota.report(), [], 'usage that is only counted can be read')
})

void t.test('ensure() accepts a limit below the usage only with force', async (t) => {
  const { quota, fake } = openFake()
  fake.use('user', 6, { bytes: 2 * MiB, inodes: 3 })
  const spec = { id: 6, bytes: { hard: MiB } }
  const { changed, results } = await quota.ensure([spec])
  t.equal(changed, false)
  t.strictSame(
    results.map(({ id, error }) => [id, error?.code]),
    [[6, 'QUOTA_BELOW_USAGE']],
  )
  t.match(await quota.ensure([{ ...spec, force: true }]), { changed: true })
  t.strictSame(
    (await quota.report([6])).map(({ id, bytes }) => [id, bytes.hard, bytes.status]),
    [[6, MiB, 'hard']],
  )
})

void t.test('ensure() with overwrite does not read first, and reads back', async (t) => {
  const { quota, fake, host } = openFake()
  fake.use('user', 6, { bytes: 2 * MiB, inodes: 3 })
  await quota.read([])
  const both = { bytes: { soft: 'none', hard: MiB }, inodes: { soft: 10, hard: 20 } } as const
  const spec = [
    { id: 6, ...both },
    { id: 7, ...both },
    { id: 8, bytes: both.bytes },
    { id: 9, ...both, inodes: { soft: 30, hard: 20 } },
    { id: 0, ...both },
  ]
  const before = host.commands.length
  const { changed, changes, results } = await quota.ensure(spec, { overwrite: true })
  const programs = host.commands.slice(before).map(([program]) => program.slice(program.lastIndexOf('/') + 1))
  t.strictSame(programs.toSorted(), ['repquota', 'setquota', 'xfs_quota'])
  t.equal(changed, true)
  t.strictSame(
    changes.map(({ target, before, after }) => [target, before, after]),
    [6, 7].map((id) => [`user ${id}`, undefined, 'bytes soft none hard 1048576, inodes soft 10 hard 20']),
  )
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
  await t.rejects(quota.ensure(spec, { overwrite: true, atomic: true }), {
    code: 'QUOTA_INVALID',
    message: /only one of the two options/,
  })
})

void t.test('ensure() on a host that is only a folder plans, and applies nothing', async (t) => {
  const { fake } = openFake()
  const host = createFakeHost({ live: false, programs: fake.programs, files: fake.files })
  const quota = openQuota(host, '/home')
  const spec = [{ id: 5, bytes: { hard: MiB } }]
  t.equal(quota.plan(spec, await quota.read(spec)).changes.length, 1)
  await t.rejects(quota.ensure(spec), { code: 'HOST_NOT_LIVE' })
})

void t.test('apply() refuses a change set of another kind', async (t) => {
  const { quota, open, ran } = openFake()
  const spec = [{ id: 5, bytes: { hard: MiB } }]
  const groups = open('group')
  const changeSet = groups.plan(spec, await groups.read(spec))
  t.throws(() => quota.apply(changeSet), TypeError)
  t.notOk(ran().includes('setquota'))
})
