import t from 'tap'
import { renderTenantPolicy, renderTenantSlots } from '../../src/cil/tenants.ts'
import { pairAt } from '../../src/level.ts'

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
  t.throws(() => renderTenantSlots(policy, [slot(0), { ...slot(1), ports: slot(0).ports }]), { message: /twice/ })
  t.throws(() => renderTenantSlots(policy, [{ ...slot(0), ports: { first: 80, last: 87 } }]), {
    message: /outside the range/,
  })
})
