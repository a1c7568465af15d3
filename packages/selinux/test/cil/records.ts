import fc from 'fast-check'
import t from 'tap'
import { renderCil } from '../../src/cil/expression.ts'
import { rangeExpression, renderRecords, type PortRecord, type Records } from '../../src/cil/records.ts'
import { parseContext } from '../../src/context.ts'
import { SelinuxError } from '../../src/errors.ts'
import { pairAt, parseRange, singleLevel } from '../../src/level.ts'

const range = singleLevel(pairAt(1))
const port = (first: number, last = first): PortRecord => ({ protocol: 'tcp', first, last, type: 'a_port_t' })
const refused = (t: Tap, records: Records, name?: string) =>
  t.throws(() => renderRecords(records), { code: 'SELINUX_INVALID' }, name ?? JSON.stringify(records))
type Tap = Pick<typeof t, 'throws'>

void t.test('renderRecords() renders ports, logins and files', async (t) => {
  const files = [{ path: '/srv/a.b', below: true, context: parseContext('system_u:object_r:etc_t:s0:c1') }]
  t.equal(
    renderRecords({
      ports: [
        { ...port(10_240, 10_247), range },
        { ...port(5), protocol: 'udp' },
      ],
      logins: [{ login: 'p10000', user: 'puppy_u', range }],
      files,
    }),
    [
      '(portcon tcp (10240 10247) (system_u object_r a_port_t ((s0 (c0 c2)) (s0 (c0 c2)))))',
      '(portcon udp 5 (system_u object_r a_port_t ((s0) (s0))))',
      '(selinuxuser p10000 puppy_u ((s0 (c0 c2)) (s0 (c0 c2))))',
      '(filecon "/srv/a\\.b(/.*)?" any (system_u object_r etc_t ((s0 (c1)) (s0 (c1)))))',
      '',
    ].join('\n'),
  )
  const shared = rangeExpression(parseRange('s0-s0:c0.c5,c9'))
  t.equal(
    renderCil([shared, ['twice', shared]]),
    '((s0) (s0 ((range c0 c5) c9)))\n(twice ((s0) (s0 ((range c0 c5) c9))))\n',
  )
})

void t.test('renderRecords() renders users with their roles and levels', async (t) => {
  const user = { user: 'shop_u', roles: ['user_r', 'object_r'], range: parseRange('s0-s0:c0.c5') }
  t.equal(
    renderRecords({ users: [user] }),
    `(user shop_u)
(userrole shop_u user_r)
(userrole shop_u object_r)
(userlevel shop_u (s0))
(userrange shop_u ((s0) (s0 ((range c0 c5)))))
(userprefix shop_u user)
`,
  )
  refused(t, { users: [user, user] })
  refused(t, { users: [{ ...user, roles: ['a b'] }] })
  refused(t, { users: [{ ...user, prefix: '(' }] })
})

void t.test('renderRecords() refuses invalid ports and overlapping ranges', async (t) => {
  refused(t, { ports: [port(0)] })
  refused(t, { ports: [port(65_536)] })
  refused(t, { ports: [port(2, 1)] })
  refused(t, { ports: [port(1.5)] })
  refused(t, { ports: [{ ...port(1), protocol: 'icmp' as 'tcp' }] })
  refused(t, { ports: [port(1, 5), port(1, 5)] })
  refused(t, { ports: [port(1, 5), port(4, 8)] })
  refused(t, { ports: [port(1, 9), port(2, 3), port(3, 4)] })
  t.doesNotThrow(() =>
    renderRecords({ ports: [port(1, 9), port(1, 4), port(2), port(5, 9), { ...port(1, 9), protocol: 'udp' }] }),
  )
})

void t.test('renderRecords() refuses hostile names and paths', async (t) => {
  for (const name of ['', 'a b', 'a)(x', '%group', '__default__ ', 'a:b', '-a', 'a'.repeat(40)])
    refused(t, { logins: [{ login: name, user: 'u', range }] }, name)
  refused(t, { logins: [{ login: 'a', user: 'u)', range }] })
  const login = { login: 'a', user: 'u', range }
  refused(t, { logins: [login, login] })
  refused(t, { ports: [{ ...port(1), type: 'a b' }] })
  const context = parseContext('a:b:c')
  for (const path of ['', 'a', '/', '/a/', '//a', '/a b', '/a/../b', '/.', '/a\n', '/a"b', '/a\tb'])
    refused(t, { files: [{ path, context }] }, JSON.stringify(path))
})

void t.test('renderRecords() renders patterns that match only their path, or throws', async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '.', '/', '(', ')', '[', '\\', '*', '"', ' ', '$', '{', '|') }),
      (name) => {
        const path = `/${name}`
        try {
          const [, pattern = ''] =
            /^\(filecon "(.*)" any /.exec(renderRecords({ files: [{ path, context: parseContext('a:b:c') }] })) ?? []
          return new RegExp(`^${pattern}$`).test(path) && !new RegExp(`^${pattern}$`).test(`${path}a`)
        } catch (error) {
          return error instanceof SelinuxError && error.code === 'SELINUX_INVALID'
        }
      },
    ),
  )
})
