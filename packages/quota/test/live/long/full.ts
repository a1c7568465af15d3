/** A disk without room for the quota files of the kernel. */
import { spawnSync } from 'node:child_process'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../../src/index.ts'
import { cannotMount, mounted } from '../../support/loop.ts'

t.setTimeout(600_000)

void t.test(
  'full ext4: limits that cannot be set have an error, and old limits do not change',
  { skip: cannotMount },
  async (t) => {
    const path = await mounted(t, '16M', ['mkfs.ext4', '-O', 'quota', '-E', 'quotatype=usrquota'], 'loop,usrquota')
    const quota = openQuota(createHost(), path)
    const crowd = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => ({ id: from + n, bytes: { hard: 1024 * 1024 } }))
    await quota.ensure(crowd(70_001, 10))
    spawnSync('dd', ['if=/dev/zero', `of=${path}/full`, 'bs=64k', 'conv=fsync'], { timeout: 60_000 })
    for (const size of ['1k', '1']) {
      spawnSync('dd', ['if=/dev/zero', `of=${path}/full.${size}`, `bs=${size}`, 'count=5000', 'conv=fsync'], {
        timeout: 60_000,
      })
    }
    const { results } = await quota.ensure(crowd(80_001, 8000))
    const refused = results.filter(({ error }) => error !== undefined)
    t.comment(`${refused.length} of 8000 were refused: ${refused[0]?.error?.message}`)
    t.ok(refused.length > 0, 'the disk has no room for all of them')
    t.ok(refused.every(({ error, changed }) => error?.code === 'QUOTA_REFUSED' && !changed))
    t.ok((await quota.report(crowd(70_001, 10).map(({ id }) => id))).every(({ bytes }) => bytes.hard === 1024 * 1024))
  },
)

void t.test(
  'full XFS: limits that cannot be set have an error, and old limits do not change',
  { skip: cannotMount },
  async (t) => {
    const path = await mounted(t, '300M', ['mkfs.xfs'], 'loop,uquota')
    const quota = openQuota(createHost(), path)
    const crowd = (from: number, count: number, hard: number) =>
      Array.from({ length: count }, (_, n) => ({ id: from + n, bytes: { hard } }))
    const MiB = 1024 * 1024
    await quota.ensure(crowd(70_001, 10, MiB))
    for (const size of ['1M', '4k', '1']) {
      spawnSync('dd', ['if=/dev/zero', `of=${path}/full.${size}`, `bs=${size}`, 'conv=fsync'], { timeout: 60_000 })
    }
    const full = spawnSync('dd', ['if=/dev/zero', `of=${path}/more`, 'bs=4k', 'count=100', 'conv=fsync'])
    t.match(full.stderr.toString(), /No space left on device/, 'the disk is full')
    const { results } = await quota.ensure(crowd(80_001, 2000, MiB))
    const refused = results.filter(({ error }) => error !== undefined)
    t.comment(`${refused.length} of 2000 were refused: ${refused[0]?.error?.message}`)
    t.ok(refused.every(({ error, changed }) => error?.code === 'QUOTA_REFUSED' && !changed))
    t.ok(refused.length > 0, 'the disk has no room for all of them')
    const set = new Set(results.flatMap(({ id, error }) => (error === undefined ? [id] : [])))
    const hards = new Map((await quota.report()).map(({ id, bytes }) => [id, bytes.hard]))
    t.ok(
      [...set].every((id) => hards.get(id) === MiB),
      'limits without an error are set',
    )
    t.ok(
      refused.every(({ id }) => !hards.has(id) || hards.get(id) === 'none'),
      'limits with an error are not set',
    )
    const known = crowd(70_001, 10, MiB).map(({ id }) => id)
    t.ok(
      (await quota.report(known)).every(({ bytes }) => bytes.hard === MiB),
      'old limits do not change',
    )
    t.match(
      await quota.ensure(crowd(70_001, 10, 2 * MiB)),
      { changed: true },
      'an id that has limits can get other limits',
    )
    t.ok((await quota.report(known)).every(({ bytes }) => bytes.hard === 2 * MiB))
  },
)
