/** File systems whose quota is off, only counted, or none at all, each on a loop device of its own. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { openQuota } from '../../src/index.ts'

t.setTimeout(110_000)

const skip =
  (process.getuid?.() !== 0 && 'it needs root') ||
  (process.env['TESTBED_GUEST'] === undefined && 'it mounts file systems: only in a disposable host')
const run = (program: string, ...args: readonly string[]) =>
  execFileSync(program, args, { stdio: 'pipe', timeout: 60_000 })

async function mounted(t: Test, size: string, mkfs: readonly string[], options = 'loop'): Promise<string> {
  const name = `/var/tmp/puppy-quota-${process.pid}-${Math.floor(Math.random() * 1e6)}`
  await mkdir(name)
  run('truncate', '-s', size, `${name}.img`)
  const [program = '', ...args] = mkfs
  run(program, '-q', ...args, `${name}.img`)
  run('mount', '-o', options, `${name}.img`, name)
  t.teardown(async () => {
    run('umount', name)
    await rm(name, { recursive: true })
    await rm(`${name}.img`)
  })
  return name
}

const wanted = [{ id: 70_001, bytes: { hard: 1024 * 1024 } }]

void t.test('an ext4 without quota', { skip }, async (t) => {
  const quota = openQuota(createHost(), await mounted(t, '32M', ['mkfs.ext4']))
  t.match(await quota.probe(), {
    works: false,
    kinds: { user: { accounting: false, steps: [/^umount/, /^tune2fs/, /fstab/, /^mount/] } },
  })
  await t.rejects(quota.read('user'), { code: 'QUOTA_OFF' })
  await t.rejects(quota.set('user', wanted), { code: 'QUOTA_OFF' })
})

void t.test('an ext4 that only counts, and enforces after the steps', { skip }, async (t) => {
  const path = await mounted(t, '32M', ['mkfs.ext4', '-O', 'quota', '-E', 'quotatype=usrquota'])
  const quota = openQuota(createHost(), path)
  t.match(await quota.probe(), {
    works: false,
    format: 'ext4',
    kinds: { user: { accounting: true, enforcing: false } },
  })
  await t.rejects(quota.set('user', wanted), { code: 'QUOTA_OFF' })
  const { kinds } = await quota.probe()
  const [program = '', ...args] = (kinds?.user.steps.at(-1) ?? '').split(' ')
  run(program, ...args)
  t.match(await quota.probe(), { works: true })
  t.match(await quota.set('user', wanted), { changed: true })
  await t.rejects(quota.set('group', wanted), { code: 'QUOTA_OFF' })
})

void t.test('an XFS that only counts', { skip }, async (t) => {
  const quota = openQuota(createHost(), await mounted(t, '320M', ['mkfs.xfs'], 'loop,uqnoenforce'))
  t.match(await quota.probe(), { works: false, format: 'xfs', kinds: { user: { accounting: true, enforcing: false } } })
  await t.rejects(quota.set('user', wanted), { code: 'QUOTA_OFF' })
})

void t.test('tmpfs, a bind mount, a mount that disappears', { skip }, async (t) => {
  t.match(await openQuota(createHost(), '/dev/shm').probe(), { error: { code: 'QUOTA_UNSUPPORTED' } })
  t.match(await openQuota(createHost(), '/nowhere').probe(), { error: { code: 'QUOTA_INVALID' } })
  const bind = '/var/tmp/puppy-quota-bind'
  await mkdir(bind)
  t.teardown(() => rm(bind, { recursive: true }))
  run('mount', '--bind', '/home', bind)
  const quota = openQuota(createHost(), bind)
  t.match(await quota.probe(), { works: true, mount: { mountPoint: '/home' } }, 'the same file system')
  await quota.read('user')
  run('umount', bind)
  const { code } = (await quota.read('user').catch((error: unknown) => error)) as { readonly code: string }
  t.equal(code, 'QUOTA_MOVED')
  t.not((await quota.probe()).mount?.mountPoint, '/home', 'not what was there before')
})

void t.test('a disk that is full: what cannot be set says so, and what was set stays', { skip }, async (t) => {
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
  t.ok(
    (
      await quota.read(
        'user',
        crowd(70_001, 10).map(({ id }) => id),
      )
    ).every(({ bytes }) => bytes.hard === 1024 * 1024),
  )
})
