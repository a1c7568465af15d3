/** A disk without room for the kernel's own quota files. */
import { spawnSync } from 'node:child_process'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../../src/index.ts'
import { cannotMount, mounted } from '../../support/loop.ts'

t.setTimeout(600_000)

void t.test(
  'a disk that is full: what cannot be set says so, and what was set stays',
  { skip: cannotMount },
  async (t) => {
    const path = await mounted(t, '16M', ['mkfs.ext4', '-O', 'quota', '-E', 'quotatype=usrquota'], 'loop,usrquota')
    const quota = openQuota(createHost(), path)
    const crowd = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => ({ id: from + n, bytes: { hard: 1024 * 1024 } }))
    await quota.set('user', crowd(70_001, 10))
    spawnSync('dd', ['if=/dev/zero', `of=${path}/full`, 'bs=64k', 'conv=fsync'], { timeout: 60_000 })
    for (const size of ['1k', '1']) {
      spawnSync('dd', ['if=/dev/zero', `of=${path}/full.${size}`, `bs=${size}`, 'count=5000', 'conv=fsync'], {
        timeout: 60_000,
      })
    }
    const { results } = await quota.set('user', crowd(80_001, 8000))
    const refused = results.filter(({ error }) => error !== undefined)
    t.comment(`${refused.length} of 8000 were refused: ${refused[0]?.error?.message}`)
    t.ok(refused.length > 0, 'there is no room for so many')
    t.ok(refused.every(({ error, changed }) => error?.code === 'QUOTA_REFUSED' && !changed))
    const before = await quota.read(
      'user',
      crowd(70_001, 10).map(({ id }) => id),
    )
    t.strictSame(
      before.map(({ bytes }) => bytes.hard),
      Array(10).fill(1024 * 1024),
    )
  },
)

void t.test(
  'XFS that is full: what cannot be set says so, and what was set stays',
  { skip: cannotMount },
  async (t) => {
    const path = await mounted(t, '300M', ['mkfs.xfs'], 'loop,uquota')
    const quota = openQuota(createHost(), path)
    const crowd = (from: number, count: number, hard: number) =>
      Array.from({ length: count }, (_, n) => ({ id: from + n, bytes: { hard } }))
    const MiB = 1024 * 1024
    await quota.set('user', crowd(70_001, 10, MiB))
    for (const size of ['1M', '4k', '1']) {
      spawnSync('dd', ['if=/dev/zero', `of=${path}/full.${size}`, `bs=${size}`, 'conv=fsync'], { timeout: 60_000 })
    }
    const full = spawnSync('dd', ['if=/dev/zero', `of=${path}/more`, 'bs=4k', 'count=100', 'conv=fsync'])
    t.match(full.stderr.toString(), /No space left on device/, 'the disk is full')
    const { results } = await quota.set('user', crowd(80_001, 2000, MiB))
    const refused = results.filter(({ error }) => error !== undefined)
    t.comment(`${refused.length} of 2000 were refused: ${refused[0]?.error?.message}`)
    t.ok(refused.every(({ error, changed }) => error?.code === 'QUOTA_REFUSED' && !changed))
    t.ok(refused.length > 0, 'there is no room for so many')
    const set = new Set(results.flatMap(({ id, error }) => (error === undefined ? [id] : [])))
    const hards = new Map((await quota.read('user')).map(({ id, bytes }) => [id, bytes.hard]))
    t.ok(
      [...set].every((id) => hards.get(id) === MiB),
      'what is said to be set is set',
    )
    t.ok(
      refused.every(({ id }) => !hards.has(id) || hards.get(id) === 'none'),
      'and nothing else is',
    )
    const known = crowd(70_001, 10, MiB).map(({ id }) => id)
    const hardsOfKnown = async () => (await quota.read('user', known)).map(({ bytes }) => bytes.hard)
    t.strictSame(await hardsOfKnown(), Array(10).fill(MiB), 'what was set stays')
    t.match(await quota.set('user', crowd(70_001, 10, 2 * MiB)), { changed: true }, 'who has limits can get others')
    t.strictSame(await hardsOfKnown(), Array(10).fill(2 * MiB))
  },
)
