import fc from 'fast-check'
import t from 'tap'
import { findCaller, generateKey, insertKey } from '../../src/store/keys.ts'
import { addReseller, one } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const admin = { reseller: 'root', scopes: ['admin'], label: 'test' } as const
const idOf = (key: string) => key.split('_')[1]

void t.test('generateKey() makes a different key each time', (t) => {
  const keys = Array.from({ length: 1000 }, generateKey)
  t.equal(new Set(keys.map(idOf)).size, 1000)
  t.ok(keys.every((key) => /^puppy_[0-9a-f]{10}_[0-9a-f]{48}$/.test(key)))
  t.end()
})

void t.test('findCaller() returns an admin and a reseller for their keys', async (t) => {
  const { api, owner } = await postgres.create(t)
  const key = generateKey()
  await insertKey(owner, key, admin)
  t.strictSame(await findCaller(api, key), { key: idOf(key), reseller: 'root', admin: true })
  const acme = await addReseller(owner, 'acme')
  t.strictSame(await findCaller(api, acme), { key: idOf(acme), reseller: 'acme', admin: false })
})

void t.test('insertKey() stores no secret', async (t) => {
  const { owner } = await postgres.create(t)
  const key = generateKey()
  await insertKey(owner, key, admin)
  const { row } = await one(owner, 'select k::text as row from keys k')
  t.match(row, idOf(key))
  t.notMatch(row, key.split('_')[2])
})

const broken: readonly (readonly [title: string, change: (key: string) => string])[] = [
  ['nothing', () => ''],
  ['another secret', (key) => `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`],
  ['a secret with one more character', (key) => `${key}0`],
  ['the secret of another key', (key) => key.replace(/^puppy_[^_]+/, 'puppy_abcd')],
  ['an id alone', (key) => key.replace(/_[^_]+$/, '_')],
  ['upper case', (key) => key.toUpperCase()],
  ['a space before it', (key) => ` ${key}`],
  ['a newline after it', (key) => `${key}\n`],
  ['a NUL in it', (key) => key.replace('_', '_\0')],
]
void t.test('findCaller() returns undefined for an invalid key', async (t) => {
  const { api, owner } = await postgres.create(t)
  const key = generateKey()
  await insertKey(owner, key, admin)
  await insertKey(owner, `puppy_abcd_${'f'.repeat(48)}`, admin)
  for (const [title, change] of broken) t.equal(await findCaller(api, change(key)), undefined, title)
  t.ok(await findCaller(api, key))
})

void t.test('findCaller() returns undefined for an expired and for a revoked key', async (t) => {
  const { api, owner } = await postgres.create(t)
  const key = generateKey()
  await insertKey(owner, key, admin)
  await owner.query(`update keys set expires_at = now() + interval '1 hour'`)
  t.ok(await findCaller(api, key), 'it expires later')
  await owner.query(`update keys set expires_at = now() - interval '1 second'`)
  t.equal(await findCaller(api, key), undefined)
  await owner.query(`update keys set expires_at = null, revoked_at = now()`)
  t.equal(await findCaller(api, key), undefined)
})

void t.test('findCaller() accepts any text without an error', async (t) => {
  const { api } = await postgres.create(t)
  const near = fc.string({ unit: fc.constantFrom('puppy', '_', 'a', '0', "'", '\0', '\n'), maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), near), async (key) => {
      return (await findCaller(api, key)) === undefined
    }),
  )
})

void t.test('insertKey() replaces the secret of an existing key, and the old secret no longer works', async (t) => {
  const { api, owner } = await postgres.create(t)
  const [old, fresh] = ['a', 'b'].map((letter) => `puppy_first_${letter.repeat(48)}`)
  await insertKey(owner, old ?? '', admin)
  await owner.query('update keys set revoked_at = now()')
  await insertKey(owner, fresh ?? '', admin)
  t.match(await findCaller(api, fresh ?? ''), { key: 'first', admin: true })
  t.equal(await findCaller(api, old ?? ''), undefined)
})

void t.test('insertKey() with the same secret does not restore a revoked key', async (t) => {
  const { api, owner } = await postgres.create(t)
  const key = generateKey()
  await insertKey(owner, key, admin)
  await owner.query('update keys set revoked_at = now()')
  await insertKey(owner, key, admin)
  t.equal(await findCaller(api, key), undefined)
})

void t.test('insertKey() refuses a text that is not a key, and does not repeat the text', async (t) => {
  const { owner } = await postgres.create(t)
  await t.rejects(insertKey(owner, 'hunter2', admin), new TypeError('A key has the form puppy_<id>_<secret>'))
})

void t.test('insertKey() is refused for the API', async (t) => {
  const { api } = await postgres.create(t)
  await t.rejects(insertKey(api, generateKey(), admin), { code: '42501' })
})
