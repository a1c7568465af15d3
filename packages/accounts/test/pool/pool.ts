import { chownSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openPool } from '../../src/pool/pool.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { scratch, whyNot } from '../support/scratch.ts'
import { createScratchWorld, type ScratchWorld } from '../support/world.ts'

// Each fault of each effect has its own world.
t.setTimeout(300_000)

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'getent', 'userdel', 'groupdel')
const slots = [0, 1, 2].map((n) => slotAt(defaultLayout, n))

/** The first two slots can be built. The uid of the third belongs to another user. */
const checks = (createWorld: () => ScratchWorld) =>
  facilityChecks({
    createWorld: async () => {
      const { host, ...world } = createWorld()
      return { ...world, open: (effects) => openPool(withEffects(host, effects), defaultLayout) }
    },
    createBrokenWorld: async () => ({ open: () => openPool(createFakeHost(), defaultLayout), close: async () => {} }),
    spec: slots.slice(0, 2),
    targets: ['p10000', 'p10001'],
    spoiled: { spec: slots, target: 'p10002' },
  })

const anna = { passwd: 'anna:x:10002:10002::/home/anna:/bin/sh\n', shadow: 'anna:*:1::::::\n' }
const createEmpty = () => createScratchWorld({ '/etc/passwd': anna.passwd, '/etc/shadow': anna.shadow })
for (const { name, run } of checks(createEmpty)) void t.test(`new slots: ${name}`, { skip }, run)

/** Slots that exist, but whose homes have another mode. */
function createOpenHomes(): ScratchWorld {
  const users = ['p10000', 'p10001']
  const line = (user: string) => `${user}:x:${user.slice(1)}:${user.slice(1)}:Puppy tenant:/home/${user}:/bin/bash\n`
  const world = createScratchWorld({
    '/etc/passwd': `${anna.passwd}${users.map(line).join('')}`,
    '/etc/group': `puppy-tenants:x:9999:p10000,p10001\n${users.map((user) => `${user}:x:${user.slice(1)}:\n`).join('')}`,
    '/etc/shadow': `${anna.shadow}${users.map((user) => `${user}:!*:1::::::\n`).join('')}`,
  })
  for (const user of users) {
    mkdirSync(world.host.path(`/home/${user}`), { recursive: true, mode: 0o755 })
    chownSync(world.host.path(`/home/${user}`), Number(user.slice(1)), Number(user.slice(1)))
  }
  return world
}
for (const { name, run } of checks(createOpenHomes)) void t.test(`open homes: ${name}`, { skip }, run)

void t.test('openPool() refuses an invalid layout', (t) => {
  t.throws(() => openPool(createFakeHost(), { ...defaultLayout, firstUid: 0 }), RangeError)
  t.end()
})

void t.test('ensure() builds slots, and a second call writes nothing', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 20)
  const { changed, results } = await openPool(host, layout).ensure(slots)
  t.equal(changed, true)
  t.strictSame(
    results,
    slots.map(({ n, user }) => ({ n, target: user, changed: true })),
  )
  t.match(await host.read('/etc/passwd'), /^p10019:x:10019:10019:Puppy tenant:\/home\/p10019:\/bin\/bash$/m)
  t.match(await host.read('/etc/group'), /^puppy-tenants:x:9999:p10000,.*,p10019$/m)
  t.match(await host.read('/etc/shadow'), /^p10000:!\*:/m)
  t.strictSame(readdirSync(host.path('/home/p10000')), ['.profile'])
  const files = ['/etc/passwd', '/etc/group', '/etc/shadow', '/home', '/home/p10000']
  const times = () => files.map((file) => statSync(host.path(file), { bigint: true }).ctimeNs)
  const before = times()
  const again = await openPool(host, layout).ensure(slots)
  t.strictSame([again.changed, again.changes], [false, []])
  t.strictSame(times(), before)
})

void t.test('ensure() does not change foreign users and builds the other slots', { skip }, async (t) => {
  const passwd =
    'root:x:0:0:root:/root:/bin/bash\np10001:x:555:555::/home/x:/bin/sh\nanna:x:10002:10002::/home/anna:/bin/sh\n'
  const group = 'root:x:0:\np10003:x:4:\nstaff2:x:10004:\nadmin:x:8:p10006\n'
  const { host, layout, slots } = scratch(t, 8, { passwd, group, shadow: 'p10001:*:1::::::\nanna:*:1::::::\n' })
  mkdirSync(host.path('/home'))
  symlinkSync('/etc', host.path('/home/p10005'))
  const { results } = await openPool(host, layout).ensure(slots)
  t.strictSame(
    results.map(({ error }) => error?.facts.reason ?? error?.code ?? 'ready'),
    ['ready', 'user_taken', 'uid_taken', 'group_taken', 'gid_taken', 'home_taken', 'user_taken', 'ready'],
  )
  t.ok(results.every(({ error }) => error === undefined || error.code === 'ACCOUNT_SLOT_BLOCKED'))
  const after = await host.read('/etc/passwd')
  t.ok(after?.startsWith(passwd), 'existing lines are not changed')
  t.notMatch(after, /p1000[3-6]/)
  t.equal(readlinkSync(host.path('/home/p10005')), '/etc')
})

void t.test('ensure() repairs the mode of a home and keeps its files', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  await host.makeFolder('/home/p10000', { mode: 0o777 })
  await host.replace('/home/p10000/.profile', 'mine')
  const programs: string[] = []
  const watched = {
    ...host,
    run: (...call: Parameters<typeof host.run>) => (programs.push(call[0][0]), host.run(...call)),
  }
  const { changes, results } = await openPool(watched, layout).ensure(slots)
  t.strictSame(
    changes.map(({ action, target }) => `${action} ${target}`),
    ['repair home p10000'],
  )
  t.notMatch(programs.join(), 'tmpfiles', 'systemd-tmpfiles would set another context')
  t.match(await host.status('/home/p10000'), { mode: 0o700, uid: 10_000, gid: 10_000 })
  t.strictSame(results, [{ n: 0, target: 'p10000', changed: true }])
  t.equal(await host.read('/home/p10000/.profile'), 'mine')
})

void t.test('ensure() reports the package of a missing tool, and throws after an abort', async (t) => {
  const slots = [slotAt(defaultLayout, 0)]
  const pool = openPool(createFakeHost({ programs: { '/usr/bin/getent': () => ({ exitCode: 2 }) } }), defaultLayout)
  await t.rejects(pool.ensure(slots), { code: 'ACCOUNT_PROGRAM_MISSING' })
  await t.rejects(pool.ensure(slots, { signal: AbortSignal.abort() }), { code: 'HOST_ABORTED' })
})

void t.test('ensure() plans again when a slot changed after it was read', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  let reads = 0
  const read: typeof host.read = async (path, options) => {
    // The passwd file is read once to plan. Then another user appears.
    if (path === '/etc/passwd' && ++reads === 2)
      await host.replace('/etc/passwd', 'anna:x:10000:100::/home/anna:/bin/sh\n')
    return host.read(path, options)
  }
  const { changes, results } = await openPool({ ...host, read }, layout).ensure(slots)
  t.strictSame(
    results.map(({ target, error }) => [target, error?.code, error?.facts.reason]),
    [
      ['p10000', 'ACCOUNT_SLOT_BLOCKED', 'uid_taken'],
      ['p10001', undefined, undefined],
    ],
  )
  t.notOk(changes.some(({ target }) => target === 'p10000'))
})
