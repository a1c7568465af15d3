/** Limits on real file systems: they hold, exact to one block. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, rm } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openQuota } from '../../src/index.ts'
import { as, cannotLimit, MiB, none } from '../support/live.ts'

t.setTimeout(600_000)

const [writer, neighbour] = [71_001, 71_002]

for (const mountPoint of ['/home', '/srv/xfs']) {
  const missing = cannotLimit || (existsSync(mountPoint) ? false : `${mountPoint} does not exist`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint}: 100 ids in one call`, { skip: missing }, async (t) => {
    const ids = Array.from({ length: 100 }, (_, n) => 72_001 + n)
    t.teardown(() => quota.ensure(ids.map((id) => ({ id, bytes: none, inodes: none }))))
    const wanted = ids.map((id, n) => ({
      id,
      bytes: { soft: (n + 1) * MiB, hard: (n + 2) * MiB },
      inodes: { hard: 50 },
    }))
    const { results } = await quota.ensure(wanted)
    t.ok(
      results.every(({ changed, error }) => changed && error === undefined),
      'each is set',
    )
    t.strictSame(
      (await quota.report(ids)).map(({ bytes }) => [bytes.soft, bytes.hard]),
      wanted.map(({ bytes }) => [bytes.soft, bytes.hard]),
    )
  })

  void t.test(
    `${mountPoint}: a writer is stopped at the hard limit, and its neighbour is not`,
    { skip: missing },
    async (t) => {
      const folder = `${mountPoint}/puppy-quota-live`
      const ids = [writer, neighbour]
      t.teardown(async () => {
        await rm(folder, { recursive: true, force: true })
        await quota.ensure(ids.map((id) => ({ id, bytes: none, inodes: none })))
      })
      await mkdir(folder)
      await chmod(folder, 0o1777)
      const hard = 8 * MiB
      await quota.ensure([{ id: writer, bytes: { soft: 4 * MiB, hard }, inodes: { soft: 5, hard: 10 } }])
      t.equal(as(writer, 'truncate', '-s', '100M', `${folder}/sparse`), '', 'a hole takes no space')
      const said = as(writer, 'dd', 'if=/dev/zero', `of=${folder}/big`, 'bs=64k', 'count=400', 'conv=fsync')
      t.match(said, /Disk quota exceeded/)
      const [full] = await quota.report([writer])
      const used = full?.bytes.used ?? 0
      t.ok(used <= hard && used > hard - MiB, `${used} of ${hard} bytes are used`)
      t.ok((full?.bytes.graceLeft ?? 0) > 604_000, 'the grace time runs')
      t.equal(full?.bytes.status, used === hard ? 'hard' : 'soft')
      t.match(as(writer, 'fallocate', '-l', '2M', `${folder}/more`), /Disk quota exceeded/, 'fallocate too')
      t.equal(as(neighbour, 'dd', 'if=/dev/zero', `of=${folder}/other`, 'bs=64k', 'count=200', 'conv=fsync'), '')
      const quotaStops = async (title: string) => {
        const [{ bytes } = { bytes: { used: NaN } }] = await quota.report([writer], { sync: true })
        t.ok(bytes.used <= hard && bytes.used > hard - MiB, `${title}: ${bytes.used} of ${hard} bytes are used`)
      }
      const into = ['conv=notrunc,fsync', 'seek=1000', 'bs=64k', 'count=32']
      t.match(
        as(writer, 'dd', 'if=/dev/zero', `of=${folder}/sparse`, ...into),
        /Disk quota exceeded/,
        'filling the hole takes space',
      )
      await quotaStops('a sparse file')
      await mkdir(`${folder}/theirs`, { mode: 0o755 })
      // Not sticky: with fs.protected_regular, no user can open the file of another user for writing in a sticky folder.
      await chmod(`${folder}/theirs`, 0o777)
      await link(`${folder}/big`, `${folder}/theirs/linked`)
      const append = ['oflag=append', 'conv=notrunc,fsync', 'bs=64k', 'count=32']
      for (const uid of [writer, neighbour]) {
        await chmod(`${folder}/big`, 0o666)
        const said = as(uid, 'dd', 'if=/dev/zero', `of=${folder}/theirs/linked`, ...append)
        t.match(said, /Disk quota exceeded/, `writes of ${uid} through a hard link stop at the limit of the owner`)
      }
      await quotaStops('a hard link')

      t.equal(
        as(writer, 'chattr', '-p', '79999', `${folder}/big`),
        '',
        'an owner can assign its file to another project',
      )
      t.match(
        as(writer, 'fallocate', '-l', '2M', `${folder}/more`),
        /Disk quota exceeded/,
        'which does not evade the limit',
      )
      const padded = ['oflag=append', 'conv=notrunc,fsync', 'bs=64k', 'count=32']
      t.match(
        as(writer, 'dd', 'if=/dev/zero', `of=${folder}/big`, ...padded),
        /Disk quota exceeded/,
        'also not for a write',
      )
      await quotaStops('another project')

      const tight = await quota.ensure([{ id: writer, bytes: { hard: MiB, soft: 'none' } }])
      t.equal(tight.changed, false)
      t.strictSame(
        tight.results.map(({ id, changed, error }) => [id, changed, error?.code]),
        [[writer, false, 'QUOTA_BELOW_USAGE']],
      )
      await quota.ensure([{ id: writer, bytes: none }])
      t.equal(
        as(writer, 'dd', 'if=/dev/zero', `of=${folder}/big`, 'bs=64k', 'count=200', 'conv=fsync'),
        '',
        'limit removed',
      )

      t.match(as(writer, 'touch', ...Array.from({ length: 12 }, (_, n) => `${folder}/f${n}`)), /Disk quota exceeded/)
      t.strictSame(
        (await quota.report([writer])).map(({ id, bytes, inodes }) => ({
          id,
          bytes: bytes.hard,
          inodes: [inodes.used, inodes.hard, inodes.status],
        })),
        [{ id: writer, bytes: 'none', inodes: [10, 10, 'hard'] }],
      )

      await rm(folder, { recursive: true })
      await mkdir(folder)
      await chmod(folder, 0o1777)
      await quota.ensure([{ id: writer, bytes: { hard: 4 * MiB }, inodes: none }])
      const script = 'for n in $(seq 1200); do printf %1000s x > $0/small$n || exit 1; done'
      t.match(as(writer, 'bash', '-c', script, folder), /Disk quota exceeded/, 'many small files')
      const [small] = await quota.report([writer], { sync: true })
      const smallUsed = small?.bytes.used ?? Number.NaN
      // XFS needs room for the folder and the inodes before it creates a file.
      const least = mountPoint === '/home' ? 4 * MiB : 3 * MiB
      t.ok(smallUsed <= 4 * MiB && smallUsed >= least, `${smallUsed} of ${4 * MiB} bytes`)
      await quota.ensure([{ id: writer, bytes: none, inodes: { hard: 10 }, force: true }])

      await rm(folder, { recursive: true })
      execFileSync('sync', ['-f', mountPoint])
      // XFS frees in the background, and a busy host takes a while.
      const emptied = async () => (await quota.report(ids)).every(({ inodes }) => inodes.used === 0)
      for (let turn = 0; turn < 100 && !(await emptied()); turn += 1) await sleep(200)
      t.strictSame(
        (await quota.report(ids)).map(({ id, bytes, inodes }) => ({
          id,
          bytes: [bytes.used, bytes.status],
          inodes: [inodes.used, inodes.hard, inodes.status],
        })),
        [
          { id: writer, bytes: [0, 'ok'], inodes: [0, 10, 'ok'] },
          { id: neighbour, bytes: [0, 'ok'], inodes: [0, 'none', 'ok'] },
        ],
      )
    },
  )
}
