import { chownSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { defaultLayout, ensurePool, slotAt } from '../../src/index.ts'
import { scrub } from '../../src/release/scrub.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'find', 'rm')
/** What a folder has none of. */
const planned = ['processes, IPC objects, mounts and journals']

void t.test('scrub() leaves a home as new and nothing anywhere else', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 3)
  await ensurePool(host, layout, slots)
  const plant = (path: string, uid: number) => {
    writeFileSync(host.path(path), 'x')
    chownSync(host.path(path), uid, uid)
  }
  mkdirSync(host.path('/home/p10000/a/b'), { recursive: true })
  symlinkSync(outside, host.path('/home/p10000/a/link'))
  mkdirSync(host.path('/var/spool/cron/crontabs'), { recursive: true })
  for (const path of [
    '/home/p10000/.hidden',
    '/home/p10000/a/b/c',
    '/tmp/litter',
    '/var/tmp/litter',
    '/home/p10001/stray',
  ])
    plant(path, 10_000)
  for (const path of ['/var/mail/p10000', '/var/spool/cron/crontabs/p10000']) plant(path, 0)
  for (const path of ['/tmp/neighbour', '/home/p10001/own', '/var/mail/p10001']) plant(path, 10_001)

  t.strictSame(await scrub(host, layout, [slots[0]!, slots[2]!]), [
    { n: 0, status: 'clean', left: [], planned },
    { n: 2, status: 'clean', left: [], planned },
  ])
  t.strictSame(await host.list('/home/p10000'), ['.profile'])
  t.match(await host.status('/home/p10000'), { mode: 0o700, uid: 10_000 })
  t.strictSame(await host.list('/tmp'), ['neighbour'])
  t.strictSame(await host.list('/home/p10001'), ['.profile', 'own'])
  t.strictSame(await host.list('/var/mail'), ['p10001'])
  t.strictSame(await host.list('/var/spool/cron/crontabs'), [])
  t.ok(existsSync(`${outside}/precious`), 'a link in a home leads nowhere')
  t.strictSame((await ensurePool(host, layout, slots)).plan.changes, [], 'the slot is ready for the next')
})

void t.test('scrub() does not touch a home that is a link, nor a user that is not ours', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 2, { passwd: 'anna:x:10001:100::/home/anna:/bin/sh\n' })
  mkdirSync(host.path('/home'))
  symlinkSync(outside, host.path('/home/p10000'))
  writeFileSync(host.path('/tmp/hers'), '')
  chownSync(host.path('/tmp/hers'), 10_001, 100)
  t.matchOnlyStrict(await scrub(host, layout, slots), [
    { n: 0, status: 'dirty', left: [/link/], planned },
    { n: 1, status: 'dirty', left: [/anna/], planned },
  ])
  t.ok(existsSync(`${outside}/precious`))
  t.strictSame(await host.list('/tmp'), ['hers'])
})

void t.test('scrub() does not follow a folder that leads out of the root', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 1)
  await ensurePool(host, layout, slots)
  mkdirSync(`${outside}/tmp`)
  writeFileSync(`${outside}/tmp/theirs`, '')
  chownSync(`${outside}/tmp/theirs`, 10_000, 10_000)
  rmSync(host.path('/tmp'), { recursive: true })
  symlinkSync(`${outside}/tmp`, host.path('/tmp'))
  t.strictSame(await scrub(host, layout, slots), [{ n: 0, status: 'clean', left: [], planned }])
  t.ok(existsSync(`${outside}/tmp/theirs`))
  renameSync(host.path('/home'), `${outside}/home`)
  symlinkSync(`${outside}/home`, host.path('/home'))
  t.matchOnlyStrict(await scrub(host, layout, slots), [{ n: 0, status: 'dirty', left: [/through a link/], planned }])
  t.ok(existsSync(`${outside}/home/p10000/.profile`))
})

void t.test('scrub() refuses slots of another layout before it does anything', { skip }, async (t) => {
  const { host } = scratch(t, 0)
  const other = slotAt({ ...defaultLayout, firstUid: 20_000 }, 0)
  await t.rejects(scrub(host, defaultLayout, [other]), TypeError)
})
