import { chownSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { defaultLayout, openPool, slotAt } from '../../src/index.ts'
import { scrub } from '../../src/release/scrub.ts'
import { scratch, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'find', 'rm')
/** What a host that is only a folder does not search. */
const unsearched = ['processes, IPC objects, mounts and journals']

void t.test('scrub() leaves a new home and removes all other files', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 3)
  await openPool(host, layout).ensure(slots)
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
    { n: 0, target: 'p10000', unsearched },
    { n: 2, target: 'p10002', unsearched },
  ])
  t.strictSame(await host.list('/home/p10000'), ['.profile'])
  t.match(await host.status('/home/p10000'), { mode: 0o700, uid: 10_000 })
  t.strictSame(await host.list('/tmp'), ['neighbour'])
  t.strictSame(await host.list('/home/p10001'), ['.profile', 'own'])
  t.strictSame(await host.list('/var/mail'), ['p10001'])
  t.strictSame(await host.list('/var/spool/cron/crontabs'), [])
  t.ok(existsSync(`${outside}/precious`), 'a link in a home leads nowhere')
  t.strictSame((await openPool(host, layout).ensure(slots)).changes, [], 'the slot is ready for the next')
})

void t.test('scrub() does not change a home that is a link, or a foreign user', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 2, { passwd: 'anna:x:10001:100::/home/anna:/bin/sh\n' })
  mkdirSync(host.path('/home'))
  symlinkSync(outside, host.path('/home/p10000'))
  writeFileSync(host.path('/tmp/hers'), '')
  chownSync(host.path('/tmp/hers'), 10_001, 100)
  const blocked = { unsearched, code: 'ACCOUNT_SLOT_BLOCKED' }
  t.matchOnlyStrict((await scrub(host, layout, slots)).map(shown), [
    { n: 0, target: 'p10000', ...blocked, reason: 'home_taken', message: /link/ },
    { n: 1, target: 'p10001', ...blocked, reason: 'uid_taken', message: /anna/ },
  ])
  t.ok(existsSync(`${outside}/precious`))
  t.strictSame(await host.list('/tmp'), ['hers'])
})

void t.test('scrub() does not follow a link out of the root', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  mkdirSync(`${outside}/tmp`)
  writeFileSync(`${outside}/tmp/theirs`, '')
  chownSync(`${outside}/tmp/theirs`, 10_000, 10_000)
  rmSync(host.path('/tmp'), { recursive: true })
  symlinkSync(`${outside}/tmp`, host.path('/tmp'))
  t.strictSame(await scrub(host, layout, slots), [{ n: 0, target: 'p10000', unsearched }])
  t.ok(existsSync(`${outside}/tmp/theirs`))
  renameSync(host.path('/home'), `${outside}/home`)
  symlinkSync(`${outside}/home`, host.path('/home'))
  t.matchOnlyStrict((await scrub(host, layout, slots)).map(shown), [
    { n: 0, target: 'p10000', unsearched, code: 'ACCOUNT_PATH_UNSAFE', message: /through a symbolic link/ },
  ])
  t.ok(existsSync(`${outside}/home/p10000/.profile`))
})

void t.test('scrub() refuses slots of another layout and changes nothing', { skip }, async (t) => {
  const { host } = scratch(t, 0)
  const other = slotAt({ ...defaultLayout, firstUid: 20_000 }, 0)
  await t.rejects(scrub(host, defaultLayout, [other]), TypeError)
})

void t.test('scrub() reports what it cannot remove, and cleans the other slots', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await openPool(host, layout).ensure(slots)
  for (const [path, uid] of [
    ['/tmp/one', 10_000],
    ['/tmp/two', 10_001],
  ] as const) {
    writeFileSync(host.path(path), '')
    chownSync(host.path(path), uid, uid)
  }
  // Files that are removed in /tmp appear again, as if a process had not ended.
  const run: typeof host.run = async (command, options) => {
    const result = await host.run(command, options)
    if (command.includes('-delete') || command.includes('-execdir')) {
      writeFileSync(host.path('/tmp/one'), '')
      chownSync(host.path('/tmp/one'), 10_000, 10_000)
    }
    return result
  }
  const results = await scrub({ ...host, run }, layout, slots)
  t.matchOnlyStrict(results.map(shown), [
    { n: 0, target: 'p10000', unsearched, code: 'ACCOUNT_SLOT_DIRTY', message: /the search found \/tmp\/one; / },
    { n: 1, target: 'p10001', unsearched },
  ])
  t.strictSame(results[0]?.error?.facts.left, ['/tmp/one'])
})

void t.test('scrub() reports a home that it cannot create again', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  rmSync(host.path('/home/p10000'), { recursive: true })
  await host.makeFolder('/home/p10000', { mode: 0o755, uid: 10_000, gid: 10_000 })
  const run: typeof host.run = (command, options) =>
    command[0].includes('tmpfiles')
      ? Promise.resolve({ exitCode: 73, stdout: '', stderr: '/home/p10000: read-only' })
      : host.run(command, options)
  t.matchOnlyStrict((await scrub({ ...host, run }, layout, slots)).map(shown), [
    {
      n: 0,
      target: 'p10000',
      unsearched,
      code: 'ACCOUNT_NOT_APPLIED',
      reason: 'home_wrong',
      message: /\/home\/p10000 could not be created again; scrub again; the tool reported: .*read-only/,
    },
  ])
})
