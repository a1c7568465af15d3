import t from 'tap'
import { renderTenantPolicy, renderTenantSlots } from '../../src/cil/tenants.ts'
import { pairAt, type Level } from '../../src/level.ts'

const policy = { ports: { first: 10_240, last: 32_767 } }
const slot = (n: number) => ({
  login: `p${10_000 + n}`,
  uid: 10_000 + n,
  level: pairAt(n),
  ports: { first: 10_240 + 8 * n, last: 10_247 + 8 * n },
})

void t.test('renderTenantPolicy() declares one user and one port type, and closes the range', async (t) => {
  const text = renderTenantPolicy(policy)
  t.match(text, '(userrange puppy_u ((s0) (s0 ((range c0 c1023)))))')
  t.match(
    text,
    '(optional puppy_apart_shm (mlsconstrain (shm (all)) (or (neq u1 puppy_u) (or (neq u2 puppy_u) (dom h1 h2)))))',
  )
  t.match(
    text,
    '(portcon tcp (10240 32767) (system_u object_r puppy_port_t ((s0 ((range c0 c1023))) (s0 ((range c0 c1023))))))',
  )
  t.notMatch(text, /name_connect\)\) \(or/)
  t.match(
    renderTenantPolicy({ ...policy, connect: 'own' }),
    '(mlsconstrain (tcp_socket (name_connect)) (or (neq t2 puppy_port_t)',
  )
  t.match(renderTenantPolicy({ ...policy, user: 'x_u', portType: 'x_port_t' }), '(eq u1 x_u)')
  t.throws(() => renderTenantPolicy({ ...policy, user: 'x) (allow' }), { code: 'SELINUX_INVALID' })
  t.throws(() => renderTenantPolicy({ ports: { first: 9, last: 8 } }), { code: 'SELINUX_INVALID' })
})

void t.test('renderTenantSlots() renders the login and ports of each slot, and refuses duplicates', async (t) => {
  const text = renderTenantSlots(policy, [slot(1)])
  const bus =
    '(filecon "/run/user/10001/bus" any (puppy_u object_r session_dbusd_runtime_t ((s0 (c0 c2)) (s0 (c0 c2)))))'
  t.match(text, bus)
  t.throws(() => renderTenantSlots(policy, [{ ...slot(1), uid: -1 }]), RangeError)
  t.equal(
    text.slice(0, text.indexOf('(optional')),
    `(portcon tcp (10248 10255) (system_u object_r puppy_port_t ((s0 (c0 c2)) (s0 (c0 c2)))))
(portcon udp (10248 10255) (system_u object_r puppy_port_t ((s0 (c0 c2)) (s0 (c0 c2)))))
(selinuxuser p10001 puppy_u ((s0 (c0 c2)) (s0 (c0 c2))))
`,
  )
  t.equal(renderTenantSlots(policy, []), '')
  t.throws(() => renderTenantSlots(policy, [slot(0), { ...slot(1), level: pairAt(0) }]), {
    message: /p10000 already has this level/,
  })
  t.throws(() => renderTenantSlots(policy, [slot(0), { ...slot(1), uid: slot(0).uid }]), {
    message: /p10000 already has the uid 10000/,
  })
  t.throws(() => renderTenantSlots(policy, [slot(0), { ...slot(1), ports: slot(0).ports }]), { message: /twice/ })
  t.throws(() => renderTenantSlots(policy, [{ ...slot(0), ports: { first: 80, last: 87 } }]), {
    message: /outside the range/,
  })
})

void t.test('renderTenantSlots() refuses levels that are equal in another order, or that are not apart', async (t) => {
  const level = (...categories: number[]) => ({ sensitivity: 0, categories })
  const render = (...levels: readonly Level[]) =>
    renderTenantSlots(
      policy,
      levels.map((one, n) => ({ ...slot(n), level: one })),
    )
  const rows: [one: Level, other: Level, message: RegExp][] = [
    [level(1, 5), level(5, 1), /already has this level/],
    [level(1, 5), level(1, 5, 5), /already has this level/],
    [level(1), level(1, 2), /"p10001": its level dominates that of p10000/],
    [level(1, 2), level(2), /"p10000": its level dominates that of p10001/],
    [level(), level(1), /dominates/],
    [level(1, 2), { sensitivity: 1, categories: [1, 2] }, /dominates/],
    [level(1), level(2000), /Category 2000 does not exist/],
    [level(1), level(1.5), /Category 1\.5 does not exist/],
    [level(1), level(-1), /Category -1 does not exist/],
  ]
  for (const [one, other, message] of rows)
    t.throws(() => render(one, other), { code: 'SELINUX_INVALID', message }, message.source)
  t.equal(render(level(5, 1), level(2, 1)), render(level(1, 5), level(1, 2)), 'the order of categories does not matter')
  t.doesNotThrow(() => render(level(1, 2), level(3), level(1, 4, 5)))
})
