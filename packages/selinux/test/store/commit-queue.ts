import t from 'tap'
import { SelinuxError } from '../../src/errors.ts'
import type { AppliedPolicy, PolicyChangeSet } from '../../src/store/change.ts'
import { agree, createCommitQueue, type CallOptions } from '../../src/store/commit-queue.ts'
import { unchanged } from '../../src/store/commit.ts'
import { planPolicy } from '../../src/store/plan.ts'
import type { PolicySpec } from '../../src/store/spec.ts'
import { observedStore } from '../support/store.ts'

const plan = (spec: PolicySpec, type = 'default') => planPolicy(spec, observedStore([], { type }))
const install = (name: string, text = name) => plan({ modules: { [name]: text } })

/** Creates a queue that records its transactions. Each transaction ends when `release` is called. */
function open(refuses: (changeSets: readonly PolicyChangeSet[]) => SelinuxError | undefined = () => undefined) {
  const transactions: { readonly names: readonly string[]; readonly options: CallOptions }[] = []
  const held: (() => void)[] = []
  const queue = createCommitQueue({
    commit: async (changeSets, options) => {
      const names = changeSets.map(({ changes }) => changes.map(({ target }) => target).join())
      transactions.push({ names, options })
      await new Promise<void>((resolve) => held.push(resolve))
      const error = refuses(changeSets)
      if (error !== undefined) throw error
      return changeSets.map((changeSet) => ({ status: 'fulfilled', value: { ...unchanged(changeSet), changed: true } }))
    },
  })
  const release = async () => {
    await new Promise((wake) => setImmediate(wake))
    held.shift()?.()
    await new Promise((wake) => setImmediate(wake))
  }
  return { queue, transactions, release, names: () => transactions.map((one) => one.names) }
}

const codes = (settled: readonly PromiseSettledResult<AppliedPolicy>[]) =>
  settled.map((one) => (one.status === 'fulfilled' ? 'applied' : (one.reason as { code: string }).code))

void t.test('agree() is false for different changes of an item, and for another policy', async (t) => {
  t.ok(agree(install('a'), install('b')))
  t.ok(agree(install('a'), install('a')))
  t.notOk(agree(install('a'), install('a', 'other')))
  t.notOk(agree(install('a'), plan({ modules: { b: 'b' } }, 'mls')))
  const [set, reset] = [plan({ booleans: { one: true } }), plan({ booleans: { one: false } })]
  t.notOk(agree(set, reset))
  const replace = planPolicy({ modules: { a: 'a' } }, observedStore(['a-000000000000']))
  t.notOk(agree(install('a'), replace), 'a part of the changes is not equal to all of them')
  t.notOk(agree(replace, install('a')))
})

void t.test('createCommitQueue() runs calls that arrive during a transaction in the next one', async (t) => {
  const { queue, release, names } = open()
  const calls = [queue(install('a'), {})]
  await new Promise((wake) => setImmediate(wake))
  calls.push(queue(install('b'), {}), queue(install('c'), {}), queue(install('b', 'other'), {}))
  for (let turn = 0; turn < 3; turn += 1) await release()
  t.strictSame(codes(await Promise.allSettled(calls)), ['applied', 'applied', 'applied', 'applied'])
  t.strictSame(names(), [['module a'], ['module b', 'module c'], ['module b']])
})

void t.test('createCommitQueue() runs a shared transaction with the longest timeouts and every check', async (t) => {
  const { queue, release, transactions } = open()
  const asked: string[] = []
  const verify = (name: string, complaint?: string) => async () => (asked.push(name), complaint)
  const calls = [queue(install('first'), {})]
  await new Promise((wake) => setImmediate(wake))
  calls.push(
    queue(install('a'), { timeout: 500_000, verify: verify('a') }),
    queue(install('b'), { patience: 700_000, verify: verify('b', 'it does not work') }),
    queue(install('c'), { verify: verify('c') }),
  )
  await release()
  const options = transactions[1]?.options
  t.strictSame([options?.timeout, options?.patience], [500_000, 700_000])
  t.equal(await options?.verify?.(), 'it does not work')
  t.strictSame(asked, ['a', 'b'])
  await release()
  await Promise.all(calls)
})

void t.test('createCommitQueue() tries each call alone when a shared transaction is refused', async (t) => {
  const refused = (code: 'SELINUX_REFUSED' | 'SELINUX_NO_SPACE') => (changeSets: readonly PolicyChangeSet[]) =>
    changeSets.some(({ spec }) => spec.modules?.['bad'] !== undefined)
      ? new SelinuxError(code, { operation: 'commit the policy' })
      : undefined
  for (const [code, expected, transactions] of [
    ['SELINUX_REFUSED', ['applied', 'applied', 'SELINUX_REFUSED', 'applied'], 5],
    ['SELINUX_NO_SPACE', ['applied', 'SELINUX_NO_SPACE', 'SELINUX_NO_SPACE', 'SELINUX_NO_SPACE'], 2],
  ] as const) {
    const { queue, release, names } = open(refused(code))
    const calls = [queue(install('first'), {})]
    await new Promise((wake) => setImmediate(wake))
    calls.push(queue(install('a'), {}), queue(install('bad'), {}), queue(install('b'), {}))
    const settled = Promise.allSettled(calls)
    for (let turn = 0; turn < 5; turn += 1) await release()
    t.strictSame(codes(await settled), expected)
    t.equal(names().length, transactions, code)
  }
})

void t.test('createCommitQueue() removes a call that is aborted while it waits', async (t) => {
  const { queue, release, names } = open()
  const end = new AbortController()
  const calls = [queue(install('a'), {})]
  await new Promise((wake) => setImmediate(wake))
  calls.push(queue(install('b'), { signal: end.signal }), queue(install('c'), {}))
  const settled = Promise.allSettled(calls)
  end.abort()
  await t.rejects(queue(install('d'), { signal: end.signal }), { code: 'HOST_ABORTED' })
  for (let turn = 0; turn < 2; turn += 1) await release()
  t.strictSame(codes(await settled), ['applied', 'HOST_ABORTED', 'applied'])
  t.strictSame(names(), [['module a'], ['module c']])
})
