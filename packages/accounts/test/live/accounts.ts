import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost } from '@puppy/host'
import { readProcesses } from '@puppy/host/proc'
import t from 'tap'
import {
  defaultLayout,
  evict,
  openBase,
  openLogins,
  openPool,
  readReserved,
  removeSlots,
  scrub,
  slotAt,
} from '../../src/index.ts'
import { someKey, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

/** Far from the default pool, and with its own group. */
const layout = { ...defaultLayout, firstUid: 24_000, firstPort: 28_000, group: 'puppy-live-test' }
const slots = [0, 1].map((n) => slotAt(layout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
const host = createHost()
const pool = openPool(host, layout)
const logins = openLogins(host)
t.setTimeout(300_000)

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'setpriv', 'userdel', 'sshd')
const as = (uid: number, script: string) =>
  spawn('setpriv', ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', 'bash', '-c', script], {
    stdio: 'ignore',
    cwd: '/tmp',
  })
/** Removes the group of this layout. */
const removeGroup = () => host.run(['/usr/sbin/groupdel', layout.group], { touches: 'machine', accept: [0, 6] })
const alive = async (uid: number) =>
  (await readProcesses(host)).filter((process) => process.uid === uid && process.alive).length

void t.test('a slot is built, used and released, and another slot is not affected', { skip }, async (t) => {
  t.teardown(async () => {
    await evict(host, slots)
    await scrub(host, layout, slots)
    await removeSlots(host, layout, slots)
    await removeGroup()
  })
  t.strictSame((await pool.ensure(slots)).results, [
    { n: 0, target: first.user, changed: true },
    { n: 1, target: second.user, changed: true },
  ])
  t.strictSame((await pool.ensure(slots)).changes, [])
  const login = { slot: first, keys: [someKey], environment: { PORT: '28000' }, linger: false, open: true }
  t.strictSame((await logins.ensure([login])).results, [{ n: 0, target: first.user, changed: true }])

  // Each shell starts new processes while the other shells are killed. Thirty are few enough for an emulated machine.
  const storm = as(first.uid, 'for turn in {1..30}; do (while :; do sleep 2; done) & done; wait')
  const neighbour = as(second.uid, 'exec sleep 600')
  t.teardown(() => [storm, neighbour].map((child) => child.kill('SIGKILL')))
  await once(
    as(first.uid, 'echo x > /tmp/live-litter; ipcmk -M 64; mkdir -p ~/a; chmod 0 ~/a; ln -s /etc /dev/shm/live-link'),
    'exit',
  )
  for (let turn = 0; turn < 200 && (await alive(first.uid)) < 30; turn++) await sleep(100)
  t.ok((await alive(first.uid)) >= 30, 'the processes run')

  const evicted = await evict(host, [first])
  t.strictSame(
    evicted.map(({ n, target, error }) => ({ n, target, error })),
    [{ n: 0, target: first.user, error: undefined }],
  )
  t.equal(await alive(first.uid), 0)
  t.ok((await alive(second.uid)) > 0, 'the process of the other slot still runs')
  t.strictSame(await scrub(host, layout, [first]), [{ n: 0, target: first.user }])
  t.equal(await host.status('/tmp/live-litter'), undefined)
  t.equal(await host.status('/dev/shm/live-link'), undefined)

  await evict(host, slots)
  await scrub(host, layout, slots)
  t.strictSame(await removeSlots(host, layout, slots), [
    { n: 0, target: first.user, changed: true },
    { n: 1, target: second.user, changed: true },
  ])
})

void t.test('planPool() blocks a slot whose port the policy reserves', { skip }, async (t) => {
  if ((await host.status('/etc/selinux/config')) === undefined) {
    t.pass('no policy', { skip: 'no SELinux policy is installed here' })
    return
  }
  // Port 24007 belongs to glusterd in the policies of Debian and Fedora.
  const taken = { ...layout, firstPort: 24_000 }
  const { labels } = await readReserved(host)
  t.match(labels[0]?.owner, /_port_t$/, 'semanage printed port types')
  const slot = slotAt(taken, 0)
  const takenPool = openPool(host, taken)
  const { refused } = takenPool.plan([slot], await takenPool.read([slot]))
  t.matchOnlyStrict(refused.map(shown), [
    {
      n: 0,
      target: slot.user,
      code: 'ACCOUNT_SLOT_BLOCKED',
      reason: 'port_reserved',
      message: /24007.*glusterd_port_t/,
    },
  ])
})

void t.test('applyLogins() enables and disables linger with logind', { skip }, async (t) => {
  if ((await host.status('/run/systemd/system')) === undefined) {
    t.pass('no systemd', { skip: 'systemd does not run here' })
    return
  }
  const base = openBase(host, defaultLayout)
  t.teardown(async () => {
    await evict(host, [first])
    await removeSlots(host, layout, [first])
    await base.ensure('absent')
    await removeGroup()
  })
  await base.ensure('present')
  await pool.ensure([first])
  const login = { slot: first, keys: [], environment: {}, linger: true, open: true }
  t.strictSame((await logins.ensure([login])).results, [{ n: 0, target: first.user, changed: true }])
  t.ok(await host.status(`/var/lib/systemd/linger/${first.user}`))
  t.strictSame((await logins.ensure([{ ...login, open: false }])).results, [
    { n: 0, target: first.user, changed: true },
  ])
  t.equal(await host.status(`/var/lib/systemd/linger/${first.user}`), undefined)
})
