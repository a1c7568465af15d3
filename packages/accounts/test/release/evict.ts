import t from 'tap'
import { ensureLogins, ensurePool } from '../../src/index.ts'
import { evict } from '../../src/release/evict.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'usermod', 'setpriv')

void t.test('evict() closes logins below a root, and only plans to end processes', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await ensurePool(host, layout, slots)
  await ensureLogins(
    host,
    slots.map((slot) => ({ slot, keys: [someKey], environment: { A: '1' }, linger: true, open: true })),
  )
  const results = await evict(host, slots.slice(0, 1))
  t.matchOnlyStrict(results, [
    { n: 0, user: 'p10000', status: 'planned', ended: 0, planned: [/--reuid 10000 .* -KILL -- -1$/] },
  ])
  for (const file of ['/etc/puppy/keys/p10000', '/etc/puppy/env/p10000', '/var/lib/systemd/linger/p10000']) {
    t.equal(await host.status(file), undefined)
  }
  t.ok(await host.status('/etc/puppy/keys/p10001'), 'the neighbour still has its keys')
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:\d*:*1:$/m)
})

void t.test("evict() does not touch a uid that is somebody else's", { skip }, async (t) => {
  const { host, slots } = scratch(t, 2, { passwd: 'anna:x:10000:100::/home/anna:/bin/sh\n' })
  t.matchOnlyStrict(await evict(host, slots), [
    { n: 0, user: 'p10000', status: 'failed', ended: 0, message: /anna/ },
    { n: 1, user: 'p10001', status: 'planned', ended: 0, planned: [/--reuid 10001 /] },
  ])
})
