import { createHost, type Host } from '@puppy/host'
import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import {
  defaultLayout,
  evict,
  noLogin,
  openBase,
  openLogins,
  openPool,
  readReserved,
  removeSlots,
  slotAt,
  type Login,
  type Pool,
  type PoolReadOptions,
  type PortReservations,
} from '../../../src/index.ts'
import { someKey, whyNot } from '../../support/scratch.ts'

/** Far from the default pool and from the other live tests, and with its own group. */
const layout = { ...defaultLayout, firstUid: 25_000, firstPort: 28_100, group: 'puppy-live-suite' }
const slots = [0, 1].map((n) => slotAt(layout, n))
const host = createHost()
t.setTimeout(900_000)

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles', 'userdel', 'usermod', 'sshd')
const removeGroup = () => host.run(['/usr/sbin/groupdel', layout.group], { touches: 'machine', accept: [0, 6] })
const removeAll = async () => {
  await removeSlots(host, layout, slots)
  await removeGroup()
}
const getent = async (database: string, keys: readonly string[]) =>
  (await host.run(['/usr/bin/getent', database, ...keys], { touches: 'nothing', accept: [0, 2] })).stdout
const users = slots.map(({ user }) => user)
/** Faults are slow on a machine, so only some effects fail here. The tests below a folder cover every effect. */
const faults = 3

/** Read once: semanage takes half a minute on an emulated machine, and every check plans several times. */
let reserved: PortReservations | undefined

/** Opens a pool on a host, with port reservations that are read once. */
function poolWith(effectHost: Host): Pool {
  const pool = openPool(effectHost, layout)
  const known = async (options: PoolReadOptions = {}) => ({
    ...options,
    reserved: (reserved ??= await readReserved(host)),
  })
  return {
    ...pool,
    read: async (slots, options) => pool.read(slots, await known(options)),
    ensure: async (slots, options) => pool.ensure(slots, await known(options)),
  }
}

for (const { name, run } of facilityChecks({
  createWorld: async () => ({
    open: (effects) => poolWith(withEffects(host, effects)),
    snapshot: async () => [
      await getent('passwd', users),
      await getent('group', [layout.group, ...users]),
      await Promise.all(slots.map(({ home }) => host.status(home))),
    ],
    close: removeAll,
  }),
  createBrokenWorld: async () => ({ open: () => openPool(createFakeHost(), layout), close: async () => {} }),
  spec: slots,
  targets: users,
  faults,
}))
  void t.test(`pool: ${name}`, { skip }, run)

const login = (n: number): Login => ({
  slot: slotAt(layout, n),
  keys: [`${someKey} anna`],
  environment: { PORT: '28100' },
  linger: true,
  open: true,
})
const open = [login(0), login(1)]
const spoiled = { spec: [...open, { ...login(2), keys: ['nonsense'] }], target: slotAt(layout, 2).user }

void t.test('logins', { skip }, async (t) => {
  t.teardown(async () => {
    await evict(host, slots)
    await removeAll()
  })
  await poolWith(host).ensure(slots)
  const logins = openLogins(host)
  const closeAll = async () => void (await logins.ensure(slots.map(noLogin)))
  for (const { name, run } of facilityChecks({
    createWorld: async () => {
      await closeAll()
      return {
        open: (effects) => openLogins(withEffects(host, effects)),
        snapshot: () => logins.read(open),
        close: closeAll,
      }
    },
    createBrokenWorld: async () => ({ open: () => openLogins(createFakeHost()), close: async () => {} }),
    spec: open,
    targets: users,
    spoiled,
    faults,
  }))
    await t.test(name, run)
})

for (const { name, run } of facilityChecks({
  createWorld: async () => ({
    open: (effects) => openBase(withEffects(host, effects), layout),
    snapshot: () => openBase(host, layout).read('present'),
    close: async () => void (await openBase(host, layout).ensure('absent')),
  }),
  createBrokenWorld: async () => ({ open: () => openBase(createFakeHost(), layout), close: async () => {} }),
  spec: 'present' as const,
  targets: [
    '/etc/puppy',
    '/etc/puppy/keys',
    '/etc/puppy/env',
    '/etc/profile.d/puppy.sh',
    '/etc/systemd/user-environment-generators/50-puppy',
    '/etc/ssh/sshd_config.d/10-puppy.conf',
  ],
  faults,
}))
  void t.test(`base: ${name}`, { skip }, run)
