import { chmodSync, chownSync, statSync } from 'node:fs'
import { HostError, type Host } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { applyLogins } from '../../src/login/apply.ts'
import { openLogins } from '../../src/login/logins.ts'
import { planLogins, type Login } from '../../src/login/plan.ts'
import { readLogins } from '../../src/login/read.ts'
import { openPool } from '../../src/pool/pool.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { scratch, someKey, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'usermod')
const login = (n: number, more: Partial<Login> = {}): Login => ({
  slot: slotAt(defaultLayout, n),
  keys: [`${someKey} anna`],
  environment: { PORT: '10240' },
  linger: true,
  open: true,
  ...more,
})
const planNow = async (host: Host, logins: readonly Login[]) =>
  planLogins(
    logins,
    await readLogins(
      host,
      logins.map(({ slot }) => slot),
    ),
  )

void t.test('applyLogins() writes, closes and opens a login, and then writes nothing', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await openPool(host, layout).ensure(slots)
  const logins = openLogins(host)
  const ours = await logins.ensure([login(0), login(1, { keys: [], environment: {}, linger: false })])
  t.strictSame(ours.results, [
    { n: 0, target: 'p10000', changed: true },
    { n: 1, target: 'p10001', changed: false },
  ])
  t.equal(await host.read('/etc/puppy/keys/p10000'), `${someKey} anna\n`)
  t.match(await host.status('/etc/puppy/keys/p10000'), { mode: 0o640, uid: 0, gid: 10_000 })
  t.match(await host.status('/etc/puppy/env/p10000'), { mode: 0o640, uid: 0, gid: 10_000 })
  t.match(await host.status('/etc/puppy/keys'), { mode: 0o711, uid: 0 }, 'sshd can traverse it as the user')
  t.equal(await host.read('/var/lib/systemd/linger/p10000'), '')
  t.equal(await host.read('/etc/puppy/keys/p10001'), undefined, 'no file is written without keys')

  const closed = await logins.ensure([login(0, { open: false })])
  t.strictSame(closed.results, [{ n: 0, target: 'p10000', changed: true }])
  t.strictSame(
    await readLogins(host, slots.slice(0, 1)),
    new Map([['p10000', { environment: 'PORT=10240\n', linger: false, expired: true }]]),
  )
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:\d*:*1:$/m)

  await logins.ensure([login(0)])
  const files = ['/etc/puppy/keys/p10000', '/etc/puppy/env/p10000', '/var/lib/systemd/linger/p10000', '/etc/shadow']
  const times = () => files.map((file) => statSync(host.path(file), { bigint: true }).mtimeNs)
  const before = times()
  t.strictSame(await logins.ensure([login(0)]), {
    changed: false,
    changes: [],
    results: [{ n: 0, target: 'p10000', changed: false }],
  })
  t.strictSame(times(), before)
})

void t.test('applyLogins() protects files that other tenants could read', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  const login = { slot: slots[0]!, keys: [someKey], environment: { A: '1' }, linger: false, open: true }
  const logins = openLogins(host)
  await logins.ensure([login])
  for (const [path, mode, uid, gid] of [
    ['/etc/puppy/keys/p10000', 0o644, 0, 10_000],
    ['/etc/puppy/env/p10000', 0o640, 10_000, 10_000],
    ['/etc/puppy/keys/p10000', 0o640, 0, 0],
  ] as const) {
    chmodSync(host.path(path), mode)
    chownSync(host.path(path), uid, gid)
    const { changes } = await logins.ensure([login])
    t.strictSame(
      changes.map(({ action }) => action),
      ['protect files'],
    )
    t.match(await host.status(path), { mode: 0o640, uid: 0, gid: 10_000 })
  }
  t.strictSame((await logins.ensure([login])).changes, [])
})

void t.test('applyLogins() does not change a login that changed after it was read', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await openPool(host, layout).ensure(slots)
  await openLogins(host).ensure([login(0), login(1)])
  const changeSet = await planNow(host, [login(0, { open: false }), login(1, { open: false })])
  await host.replace('/etc/puppy/keys/p10000', `${someKey} new\n`)
  const applied = await applyLogins(host, changeSet)
  t.equal(applied.changes, changeSet.changes)
  t.matchOnlyStrict(applied.results.map(shown), [
    { n: 0, target: 'p10000', changed: false, code: 'ACCOUNT_STALE', message: /read and plan again/ },
    { n: 1, target: 'p10001', changed: true },
  ])
  t.equal(await host.read('/etc/puppy/keys/p10000'), `${someKey} new\n`)
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:\d*:*:$/m, 'it is not expired')
})

void t.test('applyLogins() fails only for a user that does not exist', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  const { results } = await openLogins(host).ensure([login(0), login(1, { open: false })])
  t.matchOnlyStrict(results.map(shown), [
    { n: 0, target: 'p10000', changed: true },
    { n: 1, target: 'p10001', changed: false, code: 'ACCOUNT_NOT_APPLIED', message: /usermod/ },
  ])
  t.match(results[1]?.error?.cause, { code: 'HOST_PROGRAM_FAILED' })
  t.equal(await host.read('/etc/puppy/env/p10001'), undefined, 'its later steps are skipped')
})

void t.test('applyLogins() reports a file that cannot be written, and writes the other files', async (t) => {
  const host = createFakeHost()
  const error = new HostError('HOST_WRITE_FAILED', { operation: 'replace', detail: 'ENOSPC' })
  const replaceMany: typeof host.replaceMany = async (files) => {
    const [bad, good] = [
      files.filter(({ path }) => path.endsWith('/p10000')),
      files.filter(({ path }) => path.endsWith('/p10001')),
    ]
    return [...bad.map(({ path }) => ({ path, changed: false, error })), ...(await host.replaceMany(good))]
  }
  const spec = [login(0, { linger: false }), login(1, { linger: false })]
  const { results } = await applyLogins({ ...host, replaceMany }, planLogins(spec, new Map()))
  t.matchOnlyStrict(results.map(shown), [
    { n: 0, target: 'p10000', changed: false, code: 'ACCOUNT_NOT_APPLIED', message: /ENOSPC/ },
    { n: 1, target: 'p10001', changed: true },
  ])
  t.equal(results[0]?.error?.cause, error)
})

void t.test('applyLogins() runs loginctl once for all users, and reads back', async (t) => {
  const host = createFakeHost({
    files: { '/run/systemd/system/x': '', '/var/lib/systemd/linger/other': '' },
    programs: { '/usr/bin/loginctl': () => ({}) },
  })
  const { results } = await applyLogins(host, await planNow(host, [login(0), login(1)]))
  t.strictSame(host.commands, [['/usr/bin/loginctl', 'enable-linger', 'p10000', 'p10001']])
  const failed = { changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /those written: linger/ }
  t.matchOnlyStrict(
    results.map(shown),
    [
      { n: 0, target: 'p10000', ...failed },
      { n: 1, target: 'p10001', ...failed },
    ],
    'loginctl succeeded and did nothing',
  )
})

void t.test('applyLogins() runs loginctl for each user when it fails for one', async (t) => {
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
  const { results } = await applyLogins(host, await planNow(host, [login(0), login(1)]))
  t.matchOnlyStrict(results.map(shown), [
    { n: 0, target: 'p10000', changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /linger/ },
    { n: 1, target: 'p10001', changed: true },
  ])
})

void t.test('applyLogins() throws when the signal is aborted', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  const options = { signal: AbortSignal.abort() }
  await t.rejects(openLogins(host).ensure([login(0, { open: false })], options), { code: 'HOST_ABORTED' })
})

void t.test('applyLogins() stops between two users when the signal is aborted', async (t) => {
  const controller = new AbortController()
  const programs = { '/usr/sbin/usermod': () => (controller.abort(), {}) }
  const host = createFakeHost({ programs })
  const changeSet = planLogins([login(0, { open: false }), login(1, { open: false })], new Map())
  await t.rejects(applyLogins(host, changeSet, { signal: controller.signal }), { code: 'HOST_ABORTED' })
  t.equal(host.commands.length, 1)
})

void t.test(
  'applyLogins() replaces or removes a keys file that is too large, and serves the other users',
  async (t) => {
    const host = createFakeHost({
      files: {
        '/etc/puppy/keys/p10000': 'x'.repeat(2_000_000),
        '/etc/puppy/keys/p10001': 'x'.repeat(2_000_000),
      },
    })
    const spec = [login(0, { linger: false }), login(1, { keys: [], linger: false }), login(2, { linger: false })]
    const { results } = await applyLogins(host, await planNow(host, spec))
    t.strictSame(results.map(shown), [
      { n: 0, target: 'p10000', changed: true },
      { n: 1, target: 'p10001', changed: true },
      { n: 2, target: 'p10002', changed: true },
    ])
    t.equal(await host.read('/etc/puppy/keys/p10000'), `${someKey} anna\n`)
    t.equal(await host.read('/etc/puppy/keys/p10001'), undefined)
  },
)

void t.test('applyLogins() fails only for the users whose expiry or linger cannot be set', async (t) => {
  const closing = login(0, { open: false })
  const withoutUsermod = createFakeHost()
  const one = await applyLogins(withoutUsermod, await planNow(withoutUsermod, [closing, login(1)]))
  t.matchOnlyStrict(one.results.map(shown), [
    { n: 0, target: 'p10000', changed: false, code: 'ACCOUNT_NOT_APPLIED', message: /usermod/ },
    { n: 1, target: 'p10001', changed: true },
  ])
  let runs = 0
  const host = createFakeHost({
    files: { '/run/systemd/system/x': '' },
    programs: {
      '/usr/bin/loginctl': () => {
        runs += 1
        throw new HostError('HOST_TIMEOUT', { operation: 'run loginctl' })
      },
    },
  })
  const other = await applyLogins(host, await planNow(host, [login(0), login(1), login(2, { linger: false })]))
  t.matchOnlyStrict(other.results.map(shown), [
    { n: 0, target: 'p10000', changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /loginctl/ },
    { n: 1, target: 'p10001', changed: true, code: 'ACCOUNT_NOT_APPLIED', message: /loginctl/ },
    { n: 2, target: 'p10002', changed: true },
  ])
  t.equal(runs, 1, 'a logind that does not answer is not asked for each user')
})
