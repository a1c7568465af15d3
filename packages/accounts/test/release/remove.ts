import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { ensureLogins, ensurePool } from '../../src/index.ts'
import { removeSlots } from '../../src/release/remove.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'userdel', 'groupdel', 'rm')

void t.test('removeSlots() removes what was built, the shared group last', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 3)
  await ensurePool(host, layout, slots)
  await ensureLogins(host, [{ slot: slots[0]!, keys: [someKey], environment: {}, linger: true, open: true }])
  t.strictSame(await removeSlots(host, layout, slots.slice(0, 2)), [
    { n: 0, status: 'removed', changed: true },
    { n: 1, status: 'removed', changed: true },
  ])
  t.match(await host.read('/etc/group'), /^puppy-tenants:x:9999:p10002$/m)
  t.strictSame(await host.list('/home'), ['p10002'])
  t.strictSame(await host.list('/etc/puppy/keys'), [])
  await removeSlots(host, layout, slots)
  for (const file of ['/etc/passwd', '/etc/group', '/etc/shadow']) t.equal(await host.read(file), '', file)
  t.strictSame(
    await removeSlots(host, layout, slots),
    slots.map(({ n }) => ({ n, status: 'removed', changed: false })),
  )
})

void t.test('removeSlots() leaves what is not exactly ours', { skip }, async (t) => {
  const passwd = 'p10000:x:10000:10000::/srv/x:/bin/sh\n'
  const { host, layout, slots, outside } = scratch(t, 2, {
    passwd,
    group: 'p10000:x:10000:\n',
    shadow: 'p10000:*:1::::::\n',
  })
  mkdirSync(host.path('/home'))
  symlinkSync(outside, host.path('/home/p10001'))
  t.matchOnlyStrict(await removeSlots(host, layout, slots), [
    { n: 0, status: 'failed', changed: false, message: /srv/ },
    { n: 1, status: 'failed', changed: false, message: /link/ },
  ])
  t.equal(await host.read('/etc/passwd'), passwd)
  t.ok(existsSync(`${outside}/precious`))
})
