import { mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { HostError } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { applyPool, ensurePool } from '../../src/pool/apply.ts'
import { readPool } from '../../src/pool/read.ts'
import { planPool } from '../../src/pool/plan.ts'
import { noReservations } from '../../src/reserved.ts'
import { scratch, whyNot } from '../support/scratch.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles')

void t.test('ensurePool() builds slots, and a second time writes nothing', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 20)
  const { results } = await ensurePool(host, layout, slots)
  t.strictSame(
    results,
    slots.map(({ n }) => ({ n, status: 'ready' })),
  )
  t.match(await host.read('/etc/passwd'), /^p10019:x:10019:10019:Puppy tenant:\/home\/p10019:\/bin\/bash$/m)
  t.match(await host.read('/etc/group'), /^puppy-tenants:x:9999:p10000,.*,p10019$/m)
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:/m)
  t.strictSame(readdirSync(host.path('/home/p10000')), ['.profile'])
  const files = ['/etc/passwd', '/etc/group', '/etc/shadow', '/home', '/home/p10000']
  const times = () => files.map((file) => statSync(host.path(file), { bigint: true }).ctimeNs)
  const before = times()
  const again = await ensurePool(host, layout, slots)
  t.strictSame(again.plan.changes, [])
  t.strictSame(times(), before)
})

void t.test('ensurePool() touches nothing of others and builds the rest', { skip }, async (t) => {
  const passwd =
    'root:x:0:0:root:/root:/bin/bash\np10001:x:555:555::/home/x:/bin/sh\nanna:x:10002:10002::/home/anna:/bin/sh\n'
  const group = 'root:x:0:\np10003:x:4:\nstaff2:x:10004:\nadmin:x:8:p10006\n'
  const { host, layout, slots } = scratch(t, 8, { passwd, group, shadow: 'p10001:*:1::::::\nanna:*:1::::::\n' })
  mkdirSync(host.path('/home'))
  symlinkSync('/etc', host.path('/home/p10005'))
  const { results } = await ensurePool(host, layout, slots)
  t.strictSame(
    results.map(({ status, reason }) => reason ?? status),
    ['ready', 'user_taken', 'uid_taken', 'group_taken', 'gid_taken', 'home_taken', 'user_taken', 'ready'],
  )
  const after = await host.read('/etc/passwd')
  t.ok(after?.startsWith(passwd), 'the lines that were there are as they were')
  t.notMatch(after, /p1000[3-6]/)
  t.equal(readlinkSync(host.path('/home/p10005')), '/etc')
})

void t.test('applyPool() reads back: a plan that the world overtook fails', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  const plan = planPool(slots, await readPool(host, layout, slots), noReservations)
  writeFileSync(host.path('/etc/passwd'), 'anna:x:10000:100::/home/anna:/bin/sh\n')
  const results = await applyPool(host, layout, plan)
  t.matchOnlyStrict(results, [
    { n: 0, status: 'failed', reason: 'account_wrong', message: /its uid is 999/ },
    { n: 1, status: 'ready' },
  ])
  t.equal(await host.status('/home/p10000'), undefined, 'no home for an account that is wrong')
})

void t.test('ensurePool() repairs the mode of a home and keeps what is in it', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await ensurePool(host, layout, slots)
  await host.makeFolder('/home/p10000', { mode: 0o777 })
  await host.replace('/home/p10000/.profile', 'mine')
  const programs: string[] = []
  const watched = {
    ...host,
    run: (...call: Parameters<typeof host.run>) => (programs.push(call[0][0]), host.run(...call)),
  }
  const { plan, results } = await ensurePool(watched, layout, slots)
  t.strictSame(plan.work, [{ slot: slots[0], account: false, home: 'repair' }])
  t.notMatch(programs.join(), 'tmpfiles', 'which would give it another label')
  t.match(await host.status('/home/p10000'), { mode: 0o700, uid: 10_000, gid: 10_000 })
  t.strictSame(results, [{ n: 0, status: 'ready' }])
  t.equal(await host.read('/home/p10000/.profile'), 'mine')
})

void t.test('applyPool() says which home it could not mend, and mends the others', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await ensurePool(host, layout, slots)
  for (const { home } of slots) await host.makeFolder(home, { mode: 0o755 })
  const makeFolder: typeof host.makeFolder = (path, options) =>
    path === '/home/p10000'
      ? Promise.reject(new HostError('HOST_WRITE_FAILED', { operation: 'make the folder', path, detail: 'read-only' }))
      : host.makeFolder(path, options)
  const { results } = await ensurePool({ ...host, makeFolder }, layout, slots)
  t.matchOnlyStrict(results, [
    { n: 0, status: 'failed', reason: 'home_wrong', message: /read-only/ },
    { n: 1, status: 'ready' },
  ])
})

void t.test('applyPool() does not believe a tool that does nothing', async (t) => {
  const programs = { '/usr/bin/getent': () => ({ exitCode: 2 }), '/usr/bin/systemd-sysusers': () => ({}) }
  const host = createFakeHost({ programs })
  const { results } = await ensurePool(host, defaultLayout, [slotAt(defaultLayout, 0)])
  t.matchOnlyStrict(results, [{ n: 0, status: 'failed', reason: 'account_wrong', message: /not there/ }])
})

void t.test('ensurePool() names the package of a missing tool and gives up when told so', async (t) => {
  const slots = [slotAt(defaultLayout, 0)]
  const programs = { '/usr/bin/getent': () => ({ exitCode: 2 }) }
  await t.rejects(ensurePool(createFakeHost({ programs }), defaultLayout, slots), { code: 'ACCOUNT_PROGRAM_MISSING' })
  const options = { signal: AbortSignal.abort() }
  await t.rejects(ensurePool(createFakeHost({ programs }), defaultLayout, slots, options), { code: 'HOST_ABORTED' })
})
