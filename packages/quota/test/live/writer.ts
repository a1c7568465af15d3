/** The quotas of real file systems: what is set holds, to the block. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../src/index.ts'

t.setTimeout(600_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it sets limits on the machine: only in a disposable host')
const MiB = 1024 * 1024
const [writer, neighbour] = [71_001, 71_002]
const none = { soft: 'none', hard: 'none' } as const

/** Runs a program as somebody; gives what it wrote to standard error. */
function as(uid: number, ...command: readonly string[]): string {
  const words = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--', ...command]
  const { stderr, status } = spawnSync('setpriv', words, { timeout: 60_000, env: { ...process.env, LC_ALL: 'C' } })
  return status === 0 ? '' : stderr.toString() || `exit code ${status}`
}

for (const mountPoint of ['/home', '/srv/xfs']) {
  const missing = skip || (existsSync(mountPoint) ? false : `there is no ${mountPoint}`)
  const quota = openQuota(createHost(), mountPoint)

  void t.test(`${mountPoint}: 100 ids in one call`, { skip: missing }, async (t) => {
    const ids = Array.from({ length: 100 }, (_, n) => 72_001 + n)
    t.teardown(() =>
      quota.set(
        'user',
        ids.map((id) => ({ id, bytes: none, inodes: none })),
      ),
    )
    const wanted = ids.map((id, n) => ({
      id,
      bytes: { soft: (n + 1) * MiB, hard: (n + 2) * MiB },
      inodes: { hard: 50 },
    }))
    const { results } = await quota.set('user', wanted)
    t.ok(
      results.every(({ changed, error }) => changed && error === undefined),
      'each is set',
    )
    t.strictSame(
      (await quota.read('user', ids)).map(({ bytes }) => [bytes.soft, bytes.hard]),
      wanted.map(({ bytes }) => [bytes.soft, bytes.hard]),
    )
  })

  void t.test(
    `${mountPoint}: a writer is stopped at the hard limit, its neighbour is not`,
    { skip: missing },
    async (t) => {
      const folder = `${mountPoint}/puppy-quota-live`
      const ids = [writer, neighbour]
      t.teardown(async () => {
        await rm(folder, { recursive: true, force: true })
        await quota.set(
          'user',
          ids.map((id) => ({ id, bytes: none, inodes: none })),
        )
      })
      await mkdir(folder)
      await chmod(folder, 0o1777)
      const hard = 8 * MiB
      await quota.set('user', [{ id: writer, bytes: { soft: 4 * MiB, hard }, inodes: { soft: 5, hard: 10 } }])
      const said = as(writer, 'dd', 'if=/dev/zero', `of=${folder}/big`, 'bs=64k', 'count=400', 'conv=fsync')
      t.match(said, /Disk quota exceeded/)
      const [full] = await quota.read('user', [writer])
      const used = full?.bytes.used ?? 0
      t.ok(used <= hard && used > hard - MiB, `${used} of ${hard} bytes are used`)
      t.ok((full?.bytes.graceLeft ?? 0) > 604_000, 'the grace time runs')
      t.equal(full?.bytes.status, used === hard ? 'hard' : 'soft')
      t.match(as(writer, 'fallocate', '-l', '2M', `${folder}/more`), /Disk quota exceeded/, 'fallocate too')
      t.equal(as(neighbour, 'dd', 'if=/dev/zero', `of=${folder}/other`, 'bs=64k', 'count=200', 'conv=fsync'), '')

      t.equal(as(writer, 'chattr', '-p', '79999', `${folder}/big`), '', 'an owner may give his file another project')
      t.match(as(writer, 'fallocate', '-l', '2M', `${folder}/more`), /Disk quota exceeded/, 'which is no way out')

      t.match(await quota.set('user', [{ id: writer, bytes: { hard: MiB, soft: 'none' } }]), {
        results: [{ error: { code: 'QUOTA_BELOW_USAGE' } }],
      })
      await quota.set('user', [{ id: writer, bytes: none }])
      t.equal(as(writer, 'dd', 'if=/dev/zero', `of=${folder}/big`, 'bs=64k', 'count=200', 'conv=fsync'), '', 'lifted')

      t.match(as(writer, 'touch', ...Array.from({ length: 12 }, (_, n) => `${folder}/f${n}`)), /Disk quota exceeded/)
      t.match(await quota.read('user', [writer]), [
        { inodes: { used: 10, hard: 10, status: 'hard' }, bytes: { hard: 'none' } },
      ])

      await rm(folder, { recursive: true })
      execFileSync('sync', ['-f', mountPoint])
      t.match(await quota.read('user', ids), [
        { bytes: { used: 0, status: 'ok' }, inodes: { used: 0, hard: 10, status: 'ok' } },
        { bytes: { used: 0 }, inodes: { used: 0 } },
      ])
    },
  )
}
