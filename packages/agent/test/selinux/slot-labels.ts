import { setTimeout as sleep } from 'node:timers/promises'
import { defaultLayout } from '@puppy/accounts'
import { createFakeHost } from '@puppy/host/fake'
import { SelinuxError } from '@puppy/selinux'
import t from 'tap'
import { slotLabels } from '../../src/selinux/slot-labels.ts'
import { smallLayout } from '../support/rows.ts'
import { createFakePolicy } from '../support/policy.ts'

/** Waits until background work has ended. */
async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 200 && !(await done()); turn += 1) await sleep(5)
}

void t.test('slotLabels() loads many slots in one transaction, ahead of demand', async (t) => {
  const policy = createFakePolicy()
  const people = [
    `p${defaultLayout.firstUid + 3}:x:4242:4242::/:/bin/sh`,
    `anna:x:${defaultLayout.firstUid + 5}:5::/:/bin/sh`,
  ]
  const own = `p${defaultLayout.firstUid}:x:${defaultLayout.firstUid}:${defaultLayout.firstUid}::/:/bin/sh`
  const host = createFakeHost({ files: { '/etc/passwd': [...people, own, ''].join('\n') } })
  const labels = slotLabels(host, policy, { layout: defaultLayout })
  await labels.reach(0)
  const pending = await labels.look()
  t.strictSame(
    [pending.status, 'changes' in pending && pending.changes.map(({ action, target }) => `${action} ${target}`)],
    ['pending', ['install module puppy_tenants', 'install module puppy_slots']],
  )
  labels.start()
  labels.start()
  const running = await labels.look()
  t.strictSame([running.status, 'changes' in running && running.changes], ['pending', []], 'the transaction runs')
  await until(async () => (await labels.look()).status === 'stands')
  t.equal(policy.transactions, 1)
  t.strictSame([...policy.modules.keys()], ['puppy_tenants', 'puppy_slots'])
  const logins = (policy.modules.get('puppy_slots') ?? '').match(/(?<=^\(selinuxuser )p\d+/gm) ?? []
  t.equal(logins.length, 510, '512 without two slots: a person has a name, a person has a uid')
  t.strictSame(logins.slice(0, 4), ['p10000', 'p10001', 'p10002', 'p10004'])
  t.equal(labels.lost(), false)
  await labels.reach(511)
  t.match(await labels.look(), { status: 'stands' }, 'no new slot')
  await labels.reach(512)
  t.match(await labels.look(), { status: 'pending' })
  t.equal(labels.lost(), false, 'new slots are not lost levels')
})

void t.test('slotLabels() reports levels that another program removed', async (t) => {
  const policy = createFakePolicy()
  const labels = slotLabels(createFakeHost(), policy, { layout: smallLayout })
  await labels.reach(0)
  await labels.look()
  labels.start()
  await until(async () => (await labels.look()).status === 'stands')
  policy.modules.delete('puppy_slots')
  t.match(await labels.look(), { status: 'pending' })
  t.equal(labels.lost(), true)
  labels.start()
  await until(async () => (await labels.look()).status === 'stands')
  t.equal(labels.lost(), false)
})

void t.test('slotLabels() reports why a transaction failed, and waits before the next', async (t) => {
  const policy = createFakePolicy()
  policy.behind = () => {
    throw new SelinuxError('SELINUX_NO_SPACE', { operation: 'commit the policy', detail: 'the disk is full' })
  }
  const labels = slotLabels(createFakeHost(), policy, { layout: smallLayout })
  await labels.reach(0)
  await labels.look()
  labels.start()
  await until(async () => (await labels.look()).status === 'failed')
  const failed = await labels.look()
  t.match(failed, { status: 'failed', message: /disk is full/ })
  t.strictSame('changes' in failed && failed.changes, [], 'no transaction is planned now')
  labels.start()
  t.match(await labels.look(), { status: 'failed' }, 'it is not repeated at once')
  t.equal(policy.transactions, 1)
  policy.unreadable = new SelinuxError('SELINUX_DISABLED', { operation: 'find the policy' })
  t.match(await labels.look(), { status: 'failed', message: /find the policy/ })
})

void t.test('slotLabels() verifies each policy before it reports it as loaded', async (t) => {
  let [complaint, asked]: [string | undefined, number] = ['tenants are not isolated', 0]
  const verify = async () => {
    asked += 1
    return complaint
  }
  const policy = createFakePolicy()
  const built = Promise.withResolvers<undefined>()
  policy.behind = () => built.promise
  const labels = slotLabels(createFakeHost(), policy, { layout: smallLayout, verify })
  await labels.reach(0)
  await labels.look()
  labels.start()
  t.match(await labels.look(), { status: 'pending' })
  built.resolve(undefined)
  await until(() => policy.modules.size === 2)
  await sleep(20)
  t.match(await labels.look(), { status: 'stands' }, 'the transaction has verified it')
  t.equal(asked, 0)

  // As after a kill between a transaction and its check: the store has the policy, and this process has not verified it.
  const next = slotLabels(createFakeHost(), policy, { layout: smallLayout, verify })
  await next.reach(0)
  t.match(await next.look(), { status: 'failed', message: 'tenants are not isolated' })
  complaint = undefined
  t.match(await next.look(), { status: 'stands' })
  t.match(await next.look(), { status: 'stands' })
  t.strictSame([asked, next.lost()], [2, false], 'it verifies once')
})

void t.test('slotLabels() reports an item that failed, and plans again after a change of the store', async (t) => {
  const policy = createFakePolicy()
  const error = new SelinuxError('SELINUX_REFUSED', { operation: 'commit the policy', said: 'no such type' })
  const labels = slotLabels(createFakeHost(), policy, { layout: smallLayout })
  await labels.reach(0)
  let tried = 0
  policy.apply = async () => {
    tried += 1
    throw new SelinuxError('SELINUX_CHANGED', { operation: 'apply the change set to' })
  }
  await labels.look()
  labels.start()
  await until(() => tried === 1)
  await sleep(5)
  t.match(await labels.look(), { status: 'pending' }, 'a change by another program is not a failure')
  policy.apply = async ({ changes }) => ({
    changed: true,
    changes,
    results: [
      { target: 'module puppy_tenants', changed: true },
      { target: 'module puppy_slots', changed: false, error },
    ],
    needsReload: false,
  })
  labels.start()
  await until(async () => (await labels.look()).status === 'failed')
  t.match(await labels.look(), { status: 'failed', message: /no such type/ })
})
