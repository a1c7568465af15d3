import { facilityChecks, withEffects } from '@puppy/host/conformance'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { openLogins } from '../../src/login/logins.ts'
import { noLogin, type Login } from '../../src/login/plan.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { someKey, whyNot } from '../support/scratch.ts'
import { createScratchWorld, type ScratchWorld } from '../support/world.ts'

// Each fault of each effect has its own world.
t.setTimeout(300_000)

const skip = whyNot('usermod', 'sshd')
const login = (n: number, more: Partial<Login> = {}): Login => ({
  slot: slotAt(defaultLayout, n),
  keys: [`${someKey} anna`],
  environment: { PORT: '10240' },
  linger: true,
  open: true,
  ...more,
})
const bad = login(2, { keys: ['nonsense'] })
const targets = ['p10000', 'p10001']

/** Creates three users, of which the second is expired, and these files. */
const createUsers = (files: Readonly<Record<string, string>> = {}) =>
  createScratchWorld({
    '/etc/passwd': [0, 1, 2].map((n) => `p1000${n}:x:1000${n}:1000${n}::/home/p1000${n}:/bin/bash\n`).join(''),
    '/etc/group': [0, 1, 2].map((n) => `p1000${n}:x:1000${n}:\n`).join(''),
    '/etc/shadow': 'p10000:!*:1::::::\np10001:!*:1:::::1:\np10002:!*:1::::::\n',
    ...files,
  })
const files = targets.flatMap((user) => [
  [`/etc/puppy/keys/${user}`, `${someKey} old\n`],
  [`/etc/puppy/env/${user}`, 'A=1\n'],
  [`/var/lib/systemd/linger/${user}`, ''],
])

const checks = (createWorld: () => ScratchWorld, spec: readonly Login[]) =>
  facilityChecks({
    createWorld: async () => {
      const { host, ...world } = createWorld()
      return { ...world, open: (effects) => openLogins(withEffects(host, effects)) }
    },
    createBrokenWorld: async () => ({ open: () => openLogins(createFakeHost()), close: async () => {} }),
    spec,
    targets,
    spoiled: { spec: [...spec, bad], target: 'p10002' },
  })

for (const { name, run } of checks(createUsers, [login(0), login(1)]))
  void t.test(`logins that open: ${name}`, { skip }, run)

const closed = [login(0, { open: false }), noLogin(slotAt(defaultLayout, 1))]
for (const { name, run } of checks(() => createUsers(Object.fromEntries(files)), closed))
  void t.test(`logins that close: ${name}`, { skip }, run)
