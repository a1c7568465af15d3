import { createHash } from 'node:crypto'
import t from 'tap'
import { grant, migrate, readMigrations } from '../../src/database/migrate.ts'
import { startPostgres } from '../support/database.ts'
import { addHost } from '../support/rows.ts'

const postgres = await startPostgres(t)

void t.test('migrate() again does nothing, also two at once', async (t) => {
  const { owner } = await postgres.create(t)
  t.strictSame(await Promise.all([migrate(owner), migrate(owner)]), [[], []])
  const next = { name: '9999_next', sql: 'create table next (n int)', sha256: 'x' }
  const both = await Promise.all([
    migrate(owner, [...readMigrations(), next]),
    migrate(owner, [...readMigrations(), next]),
  ])
  t.strictSame(both.flat(), ['9999_next'], 'one of two applies it')
})

void t.test('migrate() refuses a history that is not its own, and changes nothing', async (t) => {
  const { owner } = await postgres.create(t)
  const [first, ...rest] = readMigrations()
  if (first === undefined) throw new Error('there is a first migration')
  await t.rejects(migrate(owner, [{ ...first, sha256: 'changed' }, ...rest]), {
    message: /was migrated by another version/,
  })
  await t.rejects(migrate(owner, []), { message: /which this version does not know/ })
  const broken = { name: '9999_broken', sql: 'create table half (n int); select nonsense', sha256: 'x' }
  await t.rejects(migrate(owner, [...readMigrations(), broken]), { message: /"nonsense"/ })
  t.strictSame(
    await owner.query(`select to_regclass('half') as half`),
    [{ half: null }],
    'all of a migration or nothing',
  )
})

const denied: [role: 'api' | 'agent', what: string, sql: string][] = [
  ['api', 'make a slot', `insert into slots (host, n, state) values ('h1', 2000, 'free')`],
  [
    'api',
    'make a host',
    `insert into hosts (name, machine_id, layout, mode, pool_free, pool_max) values ('h2', 'x', '{}', 'live', 1, 1)`,
  ],
  [
    'api',
    'make a key',
    `insert into keys (id, reseller, scopes, secret_sha256) values ('abcd', 'root', '{admin}', sha256('x'))`,
  ],
  ['api', 'move a host to another machine', `update hosts set machine_id = 'x'`],
  ['api', 'move slots', `update hosts set layout = '{"firstUid": 0}'`],
  ['api', 'change what was written down', 'delete from audit'],
  ['api', 'say what was seen of an account', `update accounts set conditions = '[]'`],
  ['api', 'say that an account was looked at', 'update accounts set observed_generation = generation'],
  ['api', 'move an account to another slot', 'update accounts set slot = 1'],
  ['api', 'rename an account or give it to another reseller', `update accounts set reseller = 'root'`],
  ['api', 'remove an account before it was seen gone', 'delete from accounts'],
  ['api', 'say what was seen of a domain', `update domains set conditions = '[]'`],
  [
    'api',
    'make a domain that was looked at',
    `insert into domains (name, account, port, conditions) values ('x', 1, 1, '[]')`,
  ],
  ['api', 'remove a domain before it was seen gone', 'delete from domains'],
  ['api', 'say what a facility does', `update hosts set facilities = '{}'`],
  ['api', 'say that an agent lives', 'update hosts set heartbeat_at = now()'],
  ['api', 'write down readings', 'insert into usage (account) values (1)'],
  ['api', 'make a reseller', `insert into resellers (name) values ('x')`],
  ['api', 'remove a slot', 'delete from slots'],
  ['api', 'make a table', 'create table x (n int)'],
  ['api', 'hand out a slot that was not scrubbed', `update slots set state = 'free' where n = 1`],
  ['api', 'renumber a slot', 'update slots set n = 7 where n = 1'],
  [
    'agent',
    'make an account',
    `insert into accounts (reseller, name, host, plan, ssh_keys, state, labels) values ('root', 'x', 'h1', 'p', '{}', 'active', '{}')`,
  ],
  ['agent', 'read keys', 'select * from keys'],
  ['agent', 'give somebody keys', `update accounts set ssh_keys = '{}'`],
  ['agent', 'read what was written down', 'select * from audit'],
  ['agent', 'change a plan', 'delete from plans'],
  ['agent', 'make a domain', `insert into domains (name, account, port) values ('x', 1, 1)`],
  ['agent', 'move a domain', 'update domains set port = 1'],
  ['agent', 'read resellers', 'select * from resellers'],
  ['agent', 'give somebody another state', `update accounts set state = 'active'`],
  ['agent', 'bring a deleted account back', 'update accounts set deleted_at = null'],
  ['agent', 'make a table', 'create table x (n int)'],
]
for (const [role, what, sql] of denied) {
  void t.test(`grant(): the ${role} may not ${what}`, async (t) => {
    const database = await postgres.create(t)
    await addHost(database.agent)
    await t.rejects(database[role].query(sql), { code: '42501' })
  })
}

void t.test('grant() takes away what an earlier version gave, columns too', async (t) => {
  const database = await postgres.create(t)
  await database.owner.query('grant delete on audit to puppy_api')
  await database.owner.query('grant update (conditions) on accounts to puppy_api')
  await database.owner.query('grant select on keys to puppy_agent')
  await grant(database.owner, { api: 'puppy_api', agent: 'puppy_agent' })
  await t.rejects(database.api.query('delete from audit'), { code: '42501' })
  await t.rejects(database.api.query(`update accounts set conditions = '[]'`), { code: '42501' })
  await t.rejects(database.agent.query('select * from keys'), { code: '42501' })
})

void t.test('grant() quotes the names of roles', async (t) => {
  const { owner } = await postgres.create(t)
  const name = 'it"s; drop table slots'
  const quoted = '"it""s; drop table slots"'
  await owner.query(`create role ${quoted}`)
  await grant(owner, { api: name, agent: 'puppy_agent' })
  t.strictSame(await owner.query(`select has_table_privilege($1, 'plans', 'insert') as may`, [name]), [{ may: true }])
  await owner.query(`drop owned by ${quoted}`)
  await owner.query(`drop role ${quoted}`)
})

void t.test('readMigrations() gives files in the order of their numbers, with their digests', async (t) => {
  const migrations = readMigrations()
  const names = migrations.map(({ name }) => name)
  t.equal(names[0], '0001_initial')
  t.strictSame(names.toSorted(), names)
  t.ok(migrations.every(({ sha256, sql }) => sha256 === createHash('sha256').update(sql).digest('hex')))
})

void t.test('grant() works when all roles are one', async (t) => {
  const { owner } = await postgres.create(t)
  await grant(owner, { api: 'puppy', agent: 'puppy' })
  await grant(owner, { api: 'puppy', agent: 'puppy' })
  t.ok(await owner.query('select 1 from slots'))
})
