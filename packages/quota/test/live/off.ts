/** File systems whose quota is off, only counted, or none at all, each on a loop device of its own. */
import { mkdir, rm } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../src/index.ts'
import { cannotMount as skip, mounted, run } from '../support/loop.ts'

t.setTimeout(600_000)

const wanted = [{ id: 70_001, bytes: { hard: 1024 * 1024 } }]

void t.test('an ext4 without quota', { skip }, async (t) => {
  const quota = openQuota(createHost(), await mounted(t, '32M', ['mkfs.ext4']))
  const { works, kinds } = await quota.probe()
  t.equal(works, false)
  t.equal(kinds?.user.accounting, false)
  t.matchOnlyStrict(kinds?.user.steps, [/^umount/, /^tune2fs/, /fstab/, /^mount/])
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
