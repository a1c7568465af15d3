import { statSync } from 'node:fs'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { ensurePool, slotAt, defaultLayout } from '../../src/index.ts'
import { applyLogins, ensureLogins, planLogins, planNoLogins, readLogins, type Login } from '../../src/login/logins.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'usermod')
const login = (n: number, more: Partial<Login> = {}): Login => ({
  slot: slotAt(defaultLayout, n),
  keys: [`${someKey} anna`],
  environment: { PORT: '10240' },
  linger: true,
  open: true,
  ...more,
})

void t.test('planLogins() refuses a bad login and goes on with its neighbours', (t) => {
  const bad = login(1, { keys: ['nonsense'] })
  const worse = login(2, { environment: { PATH: '/tmp' } })
  const plan = planLogins([login(0), bad, worse, login(3)], new Map())
  t.matchOnlyStrict(plan.refused, [
    { n: 1, code: 'ACCOUNT_KEY_INVALID', message: /type base64 comment/ },
    { n: 2, code: 'ACCOUNT_ENVIRONMENT_INVALID', message: /"PATH"/ },
  ])
  t.strictSame(
    plan.work.map(({ slot }) => slot.n),
    [0, 3],
  )
  t.strictSame(
    plan.changes.filter(({ target }) => target.includes('10001')),
    [],
  )
  t.end()
})

void t.test('planLogins() writes each key once and shows what changes', (t) => {
  const keys = [`${someKey} anna`, `  ${someKey}  anna `]
  const plan = planLogins([login(0, { keys, linger: false })], new Map())
  t.equal(plan.work[0]?.after.keys, `${someKey} anna\n`)
  t.strictSame(plan.changes, [
    {
      facility: 'accounts',
      target: '/etc/puppy/keys/p10000',
      action: 'write keys',
      before: '0 lines',
      after: '1 line',
    },
    {
      facility: 'accounts',
      target: '/etc/puppy/env/p10000',
      action: 'write variables',
      before: '0 lines',
      after: '1 line',
    },
  ])
  t.end()
})

void t.test('planLogins() leaves a login that is right alone', (t) => {
  const observed = new Map([
    ['p10000', { keys: `${someKey} anna\n`, environment: 'PORT=10240\n', linger: true, expired: false }],
  ])
  t.strictSame(planLogins([login(0)], observed), { changes: [], work: [], ready: [0], refused: [] })
  const closed = planLogins([login(0, { open: false })], observed)
  t.strictSame(closed.work[0]?.after, { environment: 'PORT=10240\n', linger: false, expired: true })
  t.end()
})

void t.test('planNoLogins() takes all away', (t) => {
  const observed = new Map([['p10000', { keys: 'k', environment: 'e', linger: true, expired: false }]])
  const plan = planNoLogins([slotAt(defaultLayout, 0)], observed)
  t.strictSame(plan.work[0]?.after, { linger: false, expired: true })
  t.end()
})

void t.test('ensureLogins() writes, closes, opens again, and then writes nothing', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await ensurePool(host, layout, slots)
  const ours = await ensureLogins(host, [login(0), login(1, { keys: [], environment: {}, linger: false })])
  t.strictSame(ours.results, [
    { n: 0, status: 'ready', changed: true },
    { n: 1, status: 'ready', changed: false },
  ])
  t.equal(await host.read('/etc/puppy/keys/p10000'), `${someKey} anna\n`)
  t.match(await host.status('/etc/puppy/keys/p10000'), { mode: 0o644, uid: 0, gid: 0 })
  t.match(await host.status('/etc/puppy/keys'), { mode: 0o755, uid: 0 }, 'sshd passes through it as the user')
  t.equal(await host.read('/var/lib/systemd/linger/p10000'), '')
  t.equal(await host.read('/etc/puppy/keys/p10001'), undefined, 'no keys, no file')

  const closed = await ensureLogins(host, [login(0, { open: false })])
  t.strictSame(closed.results, [{ n: 0, status: 'ready', changed: true }])
  t.strictSame(
    await readLogins(host, slots.slice(0, 1)),
    new Map([['p10000', { environment: 'PORT=10240\n', linger: false, expired: true }]]),
  )
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:\d*:*1:$/m)

  await ensureLogins(host, [login(0)])
  const files = ['/etc/puppy/keys/p10000', '/etc/puppy/env/p10000', '/var/lib/systemd/linger/p10000', '/etc/shadow']
  const times = () => files.map((file) => statSync(host.path(file), { bigint: true }).mtimeNs)
  const before = times()
  t.strictSame(await ensureLogins(host, [login(0)]), {
    plan: { changes: [], work: [], ready: [0], refused: [] },
    results: [{ n: 0, status: 'ready', changed: false }],
  })
  t.strictSame(times(), before)
})

void t.test('applyLogins() fails for a user that is not there, and only for that one', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await ensurePool(host, layout, slots)
  const results = (await ensureLogins(host, [login(0), login(1, { open: false })])).results
  t.matchOnlyStrict(results, [
    { n: 0, status: 'ready', changed: true },
    { n: 1, status: 'failed', changed: true, message: /usermod/ },
  ])
})

void t.test('applyLogins() asks loginctl once for all, and reads back', async (t) => {
  const host = createFakeHost({
    files: { '/run/systemd/system/x': '', '/var/lib/systemd/linger/other': '' },
    programs: { '/usr/bin/loginctl': () => ({}) },
  })
  const plan = planLogins([login(0), login(1)], await readLogins(host, []))
  const results = await applyLogins(host, plan)
  t.strictSame(host.commands, [['/usr/bin/loginctl', 'enable-linger', 'p10000', 'p10001']])
  t.matchOnlyStrict(
    results,
    [
      { n: 0, status: 'failed', changed: true, message: /linger/ },
      { n: 1, status: 'failed', changed: true, message: /linger/ },
    ],
    'it said yes and did nothing',
  )
})

void t.test('applyLogins() asks for each alone when loginctl stops at one', async (t) => {
  const host = createFakeHost({
    files: { '/run/systemd/system/x': '' },
    programs: {
      '/usr/bin/loginctl': async ({ args: [, ...users], host: machine }) => {
        if (users[0] === 'p10000') return { exitCode: 1 }
        await machine.makeFolder('/var/lib/systemd/linger')
        await machine.replace(`/var/lib/systemd/linger/${users[0]}`, '')
        return {}
      },
    },
  })
  t.matchOnlyStrict(await applyLogins(host, planLogins([login(0), login(1)], new Map())), [
    { n: 0, status: 'failed', changed: true, message: /linger/ },
    { n: 1, status: 'ready', changed: true },
  ])
})

void t.test('applyLogins() gives up when told so', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await ensurePool(host, layout, slots)
  const options = { signal: AbortSignal.abort() }
  await t.rejects(ensureLogins(host, [login(0, { open: false })], options), { code: 'HOST_ABORTED' })
})
