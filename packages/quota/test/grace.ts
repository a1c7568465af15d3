import t from 'tap'
import { openFake } from './support/open.ts'

void t.test('setGrace() keeps absent times and does not run setquota when nothing differs', async (t) => {
  const { quota, ran } = openFake()
  t.strictSame(await quota.setGrace({ inodes: 90_061 }), {
    changed: true,
    grace: { bytes: 604_800, inodes: 90_061 },
  })
  const before = ran().length
  t.match(await quota.setGrace({ inodes: 90_061 }), { changed: false })
  t.strictSame(ran().slice(before), ['xfs_quota'])
})

void t.test('setGrace() refuses invalid times, and a kind that is off', async (t) => {
  const { quota, open } = openFake({ kinds: { group: 'off' } })
  for (const bytes of [0, -1, 1.5, 2 ** 31, Number.NaN])
    await t.rejects(quota.setGrace({ bytes }), { code: 'QUOTA_INVALID' }, String(bytes))
  await t.rejects(open('group').setGrace({ bytes: 5 }), { code: 'QUOTA_OFF' })
})

void t.test('setGraceOf() changes running grace times only', async (t) => {
  const { quota, fake, host } = openFake()
  await quota.ensure([{ id: 5, bytes: { soft: 4096 }, inodes: { soft: 10 } }])
  fake.use('user', 5, { bytes: 8192, inodes: 1 })
  t.match(await quota.setGraceOf(5, { bytes: 100 }), {
    bytes: { graceLeft: 100 },
    inodes: { graceLeft: undefined },
  })
  t.strictSame(host.commands.at(-2)?.slice(1), ['-u', '-T', '5', '100', '0', '--', '/home'])
  fake.use('user', 5, { bytes: 8192, inodes: 11 })
  t.match(await quota.setGraceOf(5, { inodes: 50 }), { bytes: { status: 'soft' }, inodes: { graceLeft: 50 } })
  t.match((await quota.setGraceOf(5, { bytes: 7 })).inodes.graceLeft, 50, 'an absent time does not change')
})

void t.test('setGraceOf() refuses an id without a running grace time', async (t) => {
  const { quota, ran } = openFake()
  await t.rejects(quota.setGraceOf(5, { bytes: 100 }), {
    code: 'QUOTA_INVALID',
    message: /no grace time of bytes/,
  })
  await t.rejects(quota.setGraceOf(0, { bytes: 100 }), { code: 'QUOTA_INVALID' })
  await t.rejects(quota.setGraceOf(5, { bytes: 0 }), { code: 'QUOTA_INVALID' })
  t.notOk(ran().includes('setquota'))
})

void t.test('setGraceOf() fails when the kernel keeps another time', async (t) => {
  const { quota, fake } = openFake({ keepsGrace: true })
  await quota.ensure([{ id: 5, bytes: { soft: 4096 } }])
  fake.use('user', 5, { bytes: 8192, inodes: 1 })
  await t.rejects(quota.setGraceOf(5, { bytes: 100 }), {
    code: 'QUOTA_MISMATCH',
    message: /the grace time of bytes read back is 604\d+/,
  })
})
