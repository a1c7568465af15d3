import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { removeAccount } from '../../src/actions/delete-account.ts'
import { mergePatch, patchAccount, type AccountPatch } from '../../src/actions/patch-account.ts'
import { findAccount, updateAccount, type AccountSpec } from '@puppy/state/store/accounts'
import { addHost, sshKey, startPostgres, actor, addAccount, addPlan, untilBlocked, spec } from '@puppy/state/testing'
import { pointersOf } from '../support/problem.ts'

const postgres = await startPostgres(t)
const blog = { reseller: 'root', name: 'blog' }

async function prepare(t: Parameters<typeof postgres.create>[0]) {
  const databases = await postgres.create(t)
  await addHost(databases.agent)
  await addPlan(databases.api)
  await addPlan(databases.api, 'large', { ports: 8 })
  const id = await addAccount(databases.api, 'blog')
  const patch = (change: AccountPatch) => patchAccount(databases.api, actor, blog, change)
  return { ...databases, id, patch }
}

const row: AccountSpec = { plan: 'small', sshKeys: [sshKey], state: 'suspended', labels: { a: '1', b: '2' } }
const merges: readonly (readonly [title: string, patch: AccountPatch, expected: Partial<AccountSpec>])[] = [
  ['does not change absent fields', {}, {}],
  ['replaces the plan', { plan: 'large' }, { plan: 'large' }],
  ['replaces all keys', { sshKeys: ['other'] }, { sshKeys: ['other'] }],
  ['removes all keys with an empty list', { sshKeys: [] }, { sshKeys: [] }],
  ['removes all keys with null', { sshKeys: null }, { sshKeys: [] }],
  ['replaces the state', { state: 'active' }, { state: 'active' }],
  ['sets the state to its default with null', { state: null }, { state: 'active' }],
  ['adds and replaces labels', { labels: { b: '3', c: '4' } }, { labels: { a: '1', b: '3', c: '4' } }],
  ['removes a label with null', { labels: { a: null, none: null } }, { labels: { b: '2' } }],
  ['removes all labels with null', { labels: null }, { labels: {} }],
  ['does not change labels with an empty object', { labels: {} }, {}],
]
for (const [title, patch, expected] of merges) {
  void t.test(`mergePatch() ${title}`, (t) => {
    t.strictSame(mergePatch(row, patch), { ...row, ...expected })
    t.end()
  })
}

void t.test('mergePatch() refuses more than 32 labels in all', (t) => {
  const labels = Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`c${index}`, '']))
  const error = t.throws(() => mergePatch(row, { labels }), { code: 'request_invalid' })
  t.strictSame(pointersOf(error), ['/labels'])
  t.equal(Object.keys(mergePatch(row, { labels: { ...labels, a: null } }).labels).length, 32)
  t.end()
})

void t.test('patchAccount() changes the fields of the patch, and does nothing if they are equal', async (t) => {
  const { api, owner, patch } = await prepare(t)
  await patch({ labels: { customer: '42' } })
  await patch({ labels: { customer: '42' } })
  await patch({ plan: 'large' })
  t.match(await findAccount(api, blog), { plan: 'large', labels: { customer: '42' }, generation: 3 })
  t.strictSame(await owner.query('select action from audit'), [
    { action: 'account.change' },
    { action: 'account.change' },
  ])
})

void t.test('patchAccount() refuses an account that does not exist, and does not create it', async (t) => {
  const { api, patch } = await prepare(t)
  await removeAccount(api, actor, blog)
  await t.rejects(patch({ state: 'suspended' }), { code: 'account_not_found' })
  t.equal(await findAccount(api, blog), undefined)
})

void t.test('patchAccount() refuses a plan that does not exist', async (t) => {
  const { patch } = await prepare(t)
  await t.rejects(patch({ plan: 'none' }), { code: 'plan_unknown' })
})

void t.test('patchAccount() refuses invalid keys and changes nothing', async (t) => {
  const { api, patch } = await prepare(t)
  const refused = await t.rejects(patch({ sshKeys: [sshKey, 'ssh-ed25519 AAAA'], state: 'suspended' }), {
    code: 'ssh_key_invalid',
  })
  t.strictSame(pointersOf(refused), ['/sshKeys/1'])
  matchWhole(t, await findAccount(api, blog), { sshKeys: [], state: 'active', generation: 1 })
  await patch({ sshKeys: [sshKey] })
  await patch({ sshKeys: null, state: 'suspended' })
  t.match(await findAccount(api, blog), { state: 'suspended', generation: 3 })
})

void t.test('patchAccount() keeps the changes of all concurrent calls', async (t) => {
  const { api, patch } = await prepare(t)
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => patch({ labels: { [name]: '1' } })))
  t.strictSame(Object.keys((await findAccount(api, blog))?.labels ?? {}).toSorted(), ['a', 'b', 'c', 'd', 'e'])
})

void t.test('patchAccount() keeps a plan that is set at the same time', async (t) => {
  const { api, owner, id, patch } = await prepare(t)
  const { done } = await owner.transaction(async (tx) => {
    await updateAccount(tx, id, { ...spec, plan: 'large' })
    const done = patch({ labels: { a: '1' } })
    await untilBlocked(owner)
    return { done }
  })
  await done
  t.match(await findAccount(api, blog), { plan: 'large', labels: { a: '1' } })
})
