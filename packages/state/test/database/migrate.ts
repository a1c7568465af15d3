import { createHash } from 'node:crypto'
import t from 'tap'
import { confine, grant, migrate, readMigrations } from '../../src/database/migrate.ts'
import { startPostgres } from '../support/database.ts'
import { addHost } from '../support/rows.ts'

const postgres = await startPostgres(t)

void t.test('migrate() does nothing the second time, also in two concurrent calls', async (t) => {
  const { owner } = await postgres.create(t)
  t.strictSame(await Promise.all([migrate(owner), migrate(owner)]), [[], []])
  const next = { name: '9999_next', sql: 'create table next (n int)', sha256: 'x' }
  const both = await Promise.all([
    migrate(owner, [...readMigrations(), next]),
    migrate(owner, [...readMigrations(), next]),
  ])
  t.strictSame(both.flat(), ['9999_next'], 'one of the two calls applies it')
})

void t.test('migrate() refuses a history of another version, and changes nothing', async (t) => {
  const { owner } = await postgres.create(t)
  const [first, ...rest] = readMigrations()
  if (first === undefined) throw new Error('readMigrations() returned nothing')
  await t.rejects(migrate(owner, [{ ...first, sha256: 'changed' }, ...rest]), {
    message: /was migrated by another version/,
  })
  await t.rejects(migrate(owner, []), { message: /which this version does not know/ })
  const broken = { name: '9999_broken', sql: 'create table half (n int); select nonsense', sha256: 'x' }
  await t.rejects(migrate(owner, [...readMigrations(), broken]), { message: /"nonsense"/ })
  t.strictSame(
    await owner.query(`select to_regclass('half') as half`),
    [{ half: null }],
    'a failed migration leaves nothing',
  )
})

const denied: [role: 'api' | 'agent', what: string, sql: string][] = [
  ['api', 'insert a slot', `insert into slots (host, n, state) values ('h1', 2000, 'free')`],
  [
    'api',
    'insert a host',
    `insert into hosts (name, machine_id, layout, mode, pool_free, pool_max) values ('h2', 'x', '{}', 'live', 1, 1)`,
  ],
  [
    'api',
    'insert a key',
    `insert into keys (id, reseller, scopes, secret_sha256) values ('abcd', 'root', '{admin}', sha256('x'))`,
  ],
  ['api', 'move a host to another machine', `update hosts set machine_id = 'x'`],
  ['api', 'change the layout of slots', `update hosts set layout = '{"firstUid": 0}'`],
  ['api', 'delete audit rows', 'delete from audit'],
  ['api', 'record conditions of an account', `update accounts set conditions = '[]'`],
  ['api', 'record an observed generation', 'update accounts set observed_generation = generation'],
  ['api', 'move an account to another slot', 'update accounts set slot = 1'],
  ['api', 'move an account to another reseller', `update accounts set reseller = 'root'`],
  ['api', 'delete the row of an account', 'delete from accounts'],
  ['api', 'record conditions of a domain', `update domains set conditions = '[]'`],
  [
    'api',
    'insert a domain with conditions',
    `insert into domains (name, account, port, conditions) values ('x', 1, 1, '[]')`,
  ],
  ['api', 'delete the row of a domain', 'delete from domains'],
  ['api', 'record the state of a facility', `update hosts set facilities = '{}'`],
  ['api', 'record a heartbeat', 'update hosts set heartbeat_at = now()'],
  ['api', 'record usage', 'insert into usage (account) values (1)'],
  ['api', 'insert a reseller', `insert into resellers (name) values ('x')`],
  ['api', 'delete a slot', 'delete from slots'],
  ['api', 'create a table', 'create table x (n int)'],
  ...['plans', 'accounts', 'domains', 'hosts', 'slots', 'audit', 'keys', 'migrations', 'leases'].map(
    (table): [role: 'api', what: string, sql: string] => [
      'api',
      `lock the table ${table}`,
      `lock table ${table} in row exclusive mode`,
    ],
  ),
  ['api', 'delete a plan without delete_plan()', 'delete from plans'],
  ['api', 'change the creation time of a plan', 'update plans set created_at = now()'],
  ['api', 'free a slot that was not scrubbed', `update slots set state = 'free' where n = 1`],
  ['api', 'renumber a slot', 'update slots set n = 7 where n = 1'],
  [
    'agent',
    'insert an account',
    `insert into accounts (reseller, name, host, plan, ssh_keys, state, labels) values ('root', 'x', 'h1', 'p', '{}', 'active', '{}')`,
  ],
  ['agent', 'read keys', 'select * from keys'],
  ['agent', 'change the SSH keys of an account', `update accounts set ssh_keys = '{}'`],
  ['agent', 'read the audit', 'select * from audit'],
  ['agent', 'delete audit rows', 'delete from audit'],
  ['api', 'trim the audit', 'select trim_audit(0, 0, 1000)'],
  ['agent', 'delete a plan', 'delete from plans'],
  ['agent', 'insert a domain', `insert into domains (name, account, port) values ('x', 1, 1)`],
  ['agent', 'move a domain', 'update domains set port = 1'],
  ['agent', 'read resellers', 'select * from resellers'],
  ['agent', 'change the state of an account', `update accounts set state = 'active'`],
  ['agent', 'restore a deleted account', 'update accounts set deleted_at = null'],
  ['agent', 'create a table', 'create table x (n int)'],
]
for (const [role, what, sql] of denied) {
  void t.test(`grant(): the ${role} may not ${what}`, async (t) => {
    const database = await postgres.create(t)
    await addHost(database.agent)
    await t.rejects(
      database[role].transaction((tx) => tx.query(sql)),
      { code: '42501' },
    )
  })
}

void t.test('grant() revokes the rights of an earlier version, also on columns', async (t) => {
  const database = await postgres.create(t)
  await database.owner.query('grant delete on audit to puppy_api')
  await database.owner.query('grant update (conditions) on accounts to puppy_api')
  await database.owner.query('grant select on keys to puppy_agent')
  await grant(database.owner, { api: 'puppy_api', agent: 'puppy_agent' })
  await t.rejects(database.api.query('delete from audit'), { code: '42501' })
  await t.rejects(database.api.query(`update accounts set conditions = '[]'`), { code: '42501' })
  await t.rejects(database.agent.query('select * from keys'), { code: '42501' })
})

void t.test('grant() takes the right to create temporary tables', async (t) => {
  const { owner, api } = await postgres.create(t)
  await grant(owner, { api: 'puppy_api', agent: 'puppy_agent' })
  await t.rejects(api.query('create temporary table x (n int)'), { code: '42501' })
})

void t.test('grant() quotes the names of roles', async (t) => {
  const { owner } = await postgres.create(t)
  const name = 'it"s; drop table slots'
  const quoted = '"it""s; drop table slots"'
  await owner.query(`create role ${quoted}`)
  await grant(owner, { api: name, agent: 'puppy_agent' })
  t.strictSame(await owner.query(`select has_any_column_privilege($1, 'plans', 'insert') as may`, [name]), [
    { may: true },
  ])
  await owner.query(`drop owned by ${quoted}`)
  await owner.query(`drop role ${quoted}`)
})

void t.test('readMigrations() returns files in the order of their numbers, with their digests', async (t) => {
  const migrations = readMigrations()
  const names = migrations.map(({ name }) => name)
  t.equal(names[0], '0001_initial')
  t.strictSame(names.toSorted(), names)
  t.ok(migrations.every(({ sha256, sql }) => sha256 === createHash('sha256').update(sql).digest('hex')))
})

void t.test('grant() works if all roles are the same role', async (t) => {
  const { owner } = await postgres.create(t)
  await grant(owner, { api: 'puppy', agent: 'puppy' })
  await grant(owner, { api: 'puppy', agent: 'puppy' })
  t.ok(await owner.query('select 1 from slots'))
})

void t.test('migrate() keeps domains of an earlier version, and shortens long entries of the audit', async (t) => {
  const { owner } = await postgres.create(t)
  const migrations = readMigrations()
  const last = migrations.findIndex(({ name: file }) => file === '0006_audit_and_domain_owners')
  await owner.query('drop schema public cascade')
  await owner.query('create schema public')
  await migrate(owner, migrations.slice(0, last))
  await owner.query(`insert into audit (action, target, details) values ('a', 'short', '{"a": 1}')`)
  await owner.query(
    `insert into audit (action, target, details) values ('a', 'long', jsonb_build_object('a', repeat('x', 1000000)))`,
  )
  await migrate(owner)
  t.matchOnlyStrict(await owner.query('select target, details from audit order by id'), [
    { target: 'short', details: { a: 1 } },
    { target: 'long', details: { sha256: /^[0-9a-f]{64}$/, bytes: 1_000_009 } },
  ])
})

void t.test('migrate() and grant() wait for no lock that the API’s role can take', async (t) => {
  const { owner, api } = await postgres.create(t)
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: locked, resolve: locks } = Promise.withResolvers<void>()
  const holding = api.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock(7077079), pg_advisory_xact_lock(7077079, 0)')
    await tx.query('select 1 from migrations')
    locks()
    await released
  })
  await locked
  t.strictSame(await migrate(owner), [])
  await grant(owner, { api: 'puppy_api', agent: 'puppy_agent' })
  release()
  await holding
})

void t.test('confine() takes from the API’s role what PostgreSQL lets every role do', async (t) => {
  const { owner, api, agent } = await postgres.create(t)
  const [{ name } = { name: '' }] = await owner.query<{ name: string }>(
    `select 'confined_' || pg_backend_pid() as name`,
  )
  await owner.query(`create role ${name} login`)
  await owner.query(`grant puppy_api to ${name}`)
  await confine(owner, { api: name })
  t.strictSame(await owner.query('select rolconnlimit, rolconfig from pg_roles where rolname = $1', [name]), [
    { rolconnlimit: 50, rolconfig: ['temp_file_limit=1GB'] },
  ])
  for (const sql of [
    'select pg_advisory_lock(7077079)',
    'select pg_try_advisory_xact_lock(1)',
    'select pg_advisory_xact_lock(7077079)',
    'select lo_create(0)',
    'select lo_creat(-1)',
    `select lo_from_bytea(0, 'x')`,
    `select pg_logical_emit_message(false, 'a', 'b')`,
    `set temp_file_limit = '2GB'`,
  ])
    await t.rejects(api.query(sql), { code: '42501' }, sql)
  await owner.transaction(async (tx) => {
    await tx.query(`set local role ${name}`)
    await tx.query('select pg_advisory_xact_lock(7077080, 1)')
  })
  await t.rejects(agent.query('select pg_advisory_xact_lock(7077080, 1)'), { code: '42501' })
  await owner.query(`drop owned by ${name}`)
  await owner.query(`drop role ${name}`)
})
