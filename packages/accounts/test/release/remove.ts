import { existsSync, mkdirSync, renameSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { openLogins, openPool } from '../../src/index.ts'
import { removeSlots } from '../../src/release/remove.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'userdel', 'groupdel', 'rm')

void t.test('removeSlots() removes slots, and finally the shared group', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 3)
  await openPool(host, layout).ensure(slots)
  const environment = { PORT: '10240' }
  await openLogins(host).ensure([{ slot: slots[0]!, keys: [someKey], environment, linger: true, open: true }])
  t.strictSame(await removeSlots(host, layout, slots.slice(0, 2)), [
    { n: 0, target: 'p10000', changed: true },
    { n: 1, target: 'p10001', changed: true },
  ])
  t.match(await host.read('/etc/group'), /^puppy-tenants:x:9999:p10002$/m)
  t.strictSame(await host.list('/home'), ['p10002'])
  for (const folder of ['/etc/puppy/keys', '/etc/puppy/env', '/var/lib/systemd/linger'])
    t.strictSame(await host.list(folder), [], folder)
  await removeSlots(host, layout, slots)
  for (const file of ['/etc/passwd', '/etc/group', '/etc/shadow']) t.equal(await host.read(file), '', file)
  t.strictSame(
    await removeSlots(host, layout, slots),
    slots.map(({ n, user }) => ({ n, target: user, changed: false })),
  )
})

void t.test('removeSlots() does not remove a foreign user or home', { skip }, async (t) => {
  const passwd = 'p10000:x:10000:10000::/srv/x:/bin/sh\n'
  const { host, layout, slots, outside } = scratch(t, 2, {
    passwd,
    group: 'p10000:x:10000:\n',
    shadow: 'p10000:*:1::::::\n',
  })
  mkdirSync(host.path('/home'))
  symlinkSync(outside, host.path('/home/p10001'))
  const blocked = { changed: false, code: 'ACCOUNT_SLOT_BLOCKED' }
  t.matchOnlyStrict((await removeSlots(host, layout, slots)).map(shown), [
    { n: 0, target: 'p10000', ...blocked, reason: 'user_taken', message: /srv/ },
    { n: 1, target: 'p10001', ...blocked, reason: 'home_taken', message: /link/ },
  ])
  t.equal(await host.read('/etc/passwd'), passwd)
  t.ok(existsSync(`${outside}/precious`))
})

void t.test(
  'removeSlots() reports a user that userdel did not remove, and removes the other users',
  { skip },
  async (t) => {
    const { host, layout, slots } = scratch(t, 2)
    await openPool(host, layout).ensure(slots)
    const run: typeof host.run = (command, options) =>
      command[0].endsWith('/userdel') && command.at(-1) === 'p10000'
        ? host.run(['/bin/false'], { ...options, accept: [0] })
        : host.run(command, options)
    const results = await removeSlots({ ...host, run }, layout, slots)
    t.matchOnlyStrict(results.map(shown), [
      { n: 0, target: 'p10000', changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /false/ },
      { n: 1, target: 'p10001', changed: true },
    ])
    t.match(results[0]?.error?.cause, { code: 'HOST_PROGRAM_FAILED' })
    t.match(await host.read('/etc/passwd'), /^p10000:/)
  },
)

void t.test('removeSlots() reports a home that still exists', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  const run: typeof host.run = (command, options) =>
    command[0].endsWith('/rm') ? Promise.resolve({ exitCode: 1, stdout: '', stderr: '' }) : host.run(command, options)
  t.matchOnlyStrict((await removeSlots({ ...host, run }, layout, slots)).map(shown), [
    { n: 0, target: 'p10000', changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /home still exists$/ },
  ])
  t.equal(await host.read('/etc/passwd'), '')
})

void t.test('removeSlots() does not follow a link out of the root', { skip }, async (t) => {
  const { host, layout, slots, outside } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  renameSync(host.path('/home'), `${outside}/home`)
  symlinkSync(`${outside}/home`, host.path('/home'))
  t.matchOnlyStrict((await removeSlots(host, layout, slots)).map(shown), [
    { n: 0, target: 'p10000', changed: false, code: 'ACCOUNT_PATH_UNSAFE', message: /link/ },
  ])
  t.ok(existsSync(`${outside}/home/p10000/.profile`))
})
