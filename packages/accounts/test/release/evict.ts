import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, openLogins, openPool, slotAt } from '../../src/index.ts'
import { evict } from '../../src/release/evict.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'usermod', 'setpriv')

void t.test('evict() closes logins below a root, and returns the steps to end processes', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await openPool(host, layout).ensure(slots)
  await openLogins(host).ensure(
    slots.map((slot) => ({ slot, keys: [someKey], environment: { A: '1' }, linger: true, open: true })),
  )
  const results = await evict(host, slots.slice(0, 1))
  t.matchOnlyStrict(results, [{ n: 0, target: 'p10000', ended: 0, steps: ['/usr/bin/pkill -KILL -U 10000'] }])
  for (const file of ['/etc/puppy/keys/p10000', '/etc/puppy/env/p10000', '/var/lib/systemd/linger/p10000']) {
    t.equal(await host.status(file), undefined)
  }
  t.ok(await host.status('/etc/puppy/keys/p10001'), 'the other slot still has its keys')
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:\d*:*1:$/m)
})

void t.test('evict() does not change a slot whose uid belongs to another user', { skip }, async (t) => {
  const { host, slots } = scratch(t, 2, { passwd: 'anna:x:10000:100::/home/anna:/bin/sh\n' })
  t.matchOnlyStrict((await evict(host, slots)).map(shown), [
    {
      n: 0,
      target: 'p10000',
      ended: 0,
      code: 'ACCOUNT_SLOT_BLOCKED',
      reason: 'uid_taken',
      message: /^Cannot evict "p10000": .*anna/,
    },
    { n: 1, target: 'p10001', ended: 0, steps: ['/usr/bin/pkill -KILL -U 10001'] },
  ])
})

void t.test('evict() reports the processes that do not end', async (t) => {
  const stuck = (pid: number) => renderFakeProcess({ pid, uid: 10_000, name: 'sleep', state: 'D' })
  const host = createFakeHost({
    files: { ...stuck(7), ...stuck(8) },
    programs: {
      '/usr/bin/getent': () => ({ exitCode: 2 }),
      '/usr/bin/setpriv': () => ({}),
    },
    onSignal: () => {},
  })
  const results = await evict(
    host,
    [0, 1].map((n) => slotAt(defaultLayout, n)),
    { endTimeout: 0 },
  )
  const code = 'ACCOUNT_PROCESSES_LEFT'
  t.matchOnlyStrict(results.map(shown), [
    {
      n: 0,
      target: 'p10000',
      ended: 0,
      code,
      message: /2 processes did not end after SIGKILL: 7 "sleep", 8 "sleep"; /,
    },
    { n: 1, target: 'p10001', ended: 0 },
  ])
  t.strictSame(results[0]?.error?.facts.left, ['7 "sleep"', '8 "sleep"'])
})

void t.test('evict() closes the login before it ends a process', async (t) => {
  const key = '/etc/puppy/keys/p10000'
  const host = createFakeHost({
    files: { [key]: 'a key\n', '/etc/shadow': 'p10000:*:1::::::\n' },
    programs: {
      '/usr/bin/getent': () => ({ stdout: 'p10000:x:10000:10000::/home/p10000:/bin/bash\n' }),
      '/usr/sbin/usermod': async ({ host: machine }) => {
        await machine.replace('/etc/shadow', 'p10000:*:1:::::1:\n')
        return {}
      },
      '/usr/bin/setpriv': async ({ host: machine }) => {
        t.equal(await machine.status(key), undefined, 'no user can log in meanwhile')
        return {}
      },
    },
  })
  t.strictSame(await evict(host, [slotAt(defaultLayout, 0)]), [{ n: 0, target: 'p10000', ended: 0 }])
  t.strictSame(
    host.commands.map(([program]) => program),
    ['/usr/bin/getent', '/usr/sbin/usermod', '/usr/bin/setpriv'],
  )
})

void t.test('evict() reports a login that is not closed', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  const run: typeof host.run = (command, options) =>
    command[0].endsWith('/usermod')
      ? Promise.resolve({ exitCode: 0, stdout: '', stderr: '' })
      : host.run(command, options)
  t.matchOnlyStrict((await evict({ ...host, run }, slots)).map(shown), [
    { n: 0, target: 'p10000', ended: 0, code: 'ACCOUNT_NOT_APPLIED', message: /those written: expired/ },
  ])
})
