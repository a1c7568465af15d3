import t from 'tap'
import { openFake } from './support/open.ts'

void t.test('setGrace() keeps what is absent and runs nothing when it is so', async (t) => {
  const { quota, ran } = openFake()
  t.strictSame(await quota.setGrace('user', { inodes: 90_061 }), {
    changed: true,
    grace: { bytes: 604_800, inodes: 90_061 },
  })
  const before = ran().length
  t.match(await quota.setGrace('user', { inodes: 90_061 }), { changed: false })
  t.strictSame(ran().slice(before), ['xfs_quota'])
})

void t.test('setGrace() refuses what is no time, and a kind that is off', async (t) => {
  const { quota } = openFake({ kinds: { group: 'off' } })
  for (const bytes of [0, -1, 1.5, 2 ** 31, Number.NaN])
    await t.rejects(quota.setGrace('user', { bytes }), { code: 'QUOTA_INVALID' }, String(bytes))
  await t.rejects(quota.setGrace('group', { bytes: 5 }), { code: 'QUOTA_OFF' })
})
