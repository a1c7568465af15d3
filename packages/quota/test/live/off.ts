/** File systems whose quota is off, only counted, or not supported, each on a separate loop device. */
import { mkdir, rm } from 'node:fs/promises'
import { createHost } from '@puppy/host'
import t from 'tap'
import { openQuota } from '../../src/index.ts'
import { cannotMount as skip, mounted, run } from '../support/loop.ts'

t.setTimeout(600_000)

const spec = [{ id: 70_001, bytes: { hard: 1024 * 1024 } }]

void t.test('ext4 without quota', { skip }, async (t) => {
  const quota = openQuota(createHost(), await mounted(t, '32M', ['mkfs.ext4']))
  const { works, steps, kinds } = await quota.probe()
  t.equal(works, false)
  t.equal(kinds?.user.accounting, false)
  t.matchOnlyStrict(steps, [/^umount/, /^tune2fs/, /fstab/, /^mount/])
  await t.rejects(quota.report(), { code: 'QUOTA_OFF' })
  await t.rejects(quota.ensure(spec), { code: 'QUOTA_OFF' })
})

void t.test('ext4 that only counts, and enforces after the steps of the probe', { skip }, async (t) => {
  const path = await mounted(t, '32M', ['mkfs.ext4', '-O', 'quota', '-E', 'quotatype=usrquota'])
  const quota = openQuota(createHost(), path)
  t.match(await quota.probe(), {
    works: false,
    format: 'ext4',
    kinds: { user: { accounting: true, enforcing: false } },
  })
  await t.rejects(quota.ensure(spec), { code: 'QUOTA_OFF' })
  const { steps } = await quota.probe()
  const [program = '', ...args] = (steps.at(-1) ?? '').split(' ')
  run(program, ...args)
  t.match(await quota.probe(), { works: true })
  t.match(await quota.ensure(spec), { changed: true })
  await t.rejects(openQuota(createHost(), path, { kind: 'group' }).ensure(spec), { code: 'QUOTA_OFF' })
})

void t.test('XFS that only counts', { skip }, async (t) => {
  const quota = openQuota(createHost(), await mounted(t, '320M', ['mkfs.xfs'], 'loop,uqnoenforce'))
  t.match(await quota.probe(), { works: false, format: 'xfs', kinds: { user: { accounting: true, enforcing: false } } })
  await t.rejects(quota.ensure(spec), { code: 'QUOTA_OFF' })
})

void t.test('tmpfs, a bind mount, and a path that was unmounted', { skip }, async (t) => {
  t.match(await openQuota(createHost(), '/dev/shm').probe(), { error: { code: 'QUOTA_UNSUPPORTED' } })
  t.match(await openQuota(createHost(), '/nowhere').probe(), { error: { code: 'QUOTA_INVALID' } })
  const bind = '/var/tmp/puppy-quota-bind'
  await mkdir(bind)
  t.teardown(() => rm(bind, { recursive: true }))
  run('mount', '--bind', '/home', bind)
  const quota = openQuota(createHost(), bind)
  t.match(await quota.probe(), { works: true, mount: { mountPoint: '/home' } }, 'the same file system')
  await quota.report()
  run('umount', bind)
  const { code } = (await quota.report().catch((error: unknown) => error)) as { readonly code: string }
  t.equal(code, 'QUOTA_MOVED')
  t.not((await quota.probe()).mount?.mountPoint, '/home', 'not the previous file system')
})
