import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { createFakeNft } from '../src/fake.ts'
import { openFirewall } from '../src/index.ts'
import { changesOf } from './support/changes-of.ts'
import { cannotRun, createLab } from './support/lab.ts'
import { settings } from './support/settings.ts'

const table = 'puppy'
const family = 'inet'
const strict = { ...settings, callers: [0] }

/** Opens a firewall with a fake nft. Another program acts `before` and `after` each transaction. nft prints what `before` throws. */
function open({ before, after }: { readonly before?: () => void; readonly after?: () => void } = {}) {
  const nft = createFakeNft()
  const meddle = { before, after }
  const loads: unknown[] = []
  const program: FakeProgram = async (call) => {
    const { args, host } = call
    if (args[0] === 'list' || args[1] === 'list' || args.includes('-c')) return nft.program(call)
    loads.push(JSON.parse((await host.read(args.at(-1) ?? '')) ?? ''))
    try {
      meddle.before?.()
    } catch (error) {
      return { exitCode: 1, stderr: `Error: ${String(error)}\n` }
    }
    const result = await nft.program(call)
    meddle.after?.()
    return result
  }
  const host = createFakeHost({ programs: { '/usr/sbin/nft': program }, files: { '/run/x': '' } })
  return { nft, meddle, loads, firewall: openFirewall(host) }
}

void t.test('apply() runs exactly the commands of its change set, once', async (t) => {
  const { firewall, loads } = open()
  const changeSet = firewall.plan(settings, await firewall.read())
  const { changed, changes, results } = await firewall.apply(changeSet)
  t.equal(changed, true)
  t.strictSame(changes, changeSet.changes)
  t.strictSame(loads, [{ nftables: changeSet.commands }])
  t.ok(results.every((result) => result.changed))
  const smaller = firewall.plan(strict, await firewall.read())
  const applied = await firewall.apply(smaller)
  t.strictSame(loads.slice(1), [{ nftables: smaller.commands }])
  t.strictSame(
    applied.results.flatMap((result) => (result.changed ? [result.target] : [])),
    ['set callers'],
    'a result reports which part changed',
  )
})

void t.test('apply() reports a table that changed after it was read, and ensure() reads again', async (t) => {
  const { firewall, nft, meddle, loads } = open()
  await firewall.ensure(settings)
  const changeSet = firewall.plan(strict, await firewall.read())
  nft.run({ delete: { element: { family, table, name: 'callers', elem: [990] } } })
  await t.rejects(firewall.apply(changeSet), {
    code: 'FIREWALL_CONFLICT',
    message:
      /the table changed after it was read, so the transaction was refused.*; read and plan again; nft reported: Error: .*No such file/,
    cause: { code: 'FIREWALL_REFUSED' },
  })
  t.strictSame(await changesOf(firewall, strict), [], 'the other program already made the change')
  await firewall.ensure(settings)
  const done = loads.length
  let times = 0
  meddle.before = () => {
    times += 1
    if (times === 1) nft.run({ delete: { element: { family, table, name: 'callers', elem: [990] } } })
  }
  t.strictSame(
    (await firewall.ensure({ ...strict, guards: [] })).changes.map(({ target }) => target),
    ['set guarded', 'set guards'],
  )
  t.equal(loads.length - done, 2)
})

void t.test('apply() reports a table that differs from the spec after its transaction', async (t) => {
  const { firewall, nft, meddle } = open()
  await firewall.ensure(settings)
  meddle.after = () => nft.run({ flush: { chain: { family, table, name: 'answer' } } })
  const changeSet = firewall.plan(strict, await firewall.read())
  await t.rejects(firewall.apply(changeSet), {
    code: 'FIREWALL_CONFLICT',
    message: /value "change chain answer".*differs from the spec after the transaction/,
  })
  await t.rejects(firewall.ensure(settings), { code: 'FIREWALL_CONFLICT' })
  let times = 0
  meddle.after = () => {
    times += 1
    if (times === 1) nft.run({ flush: { chain: { family, table, name: 'answer' } } })
  }
  const { changes } = await firewall.ensure(settings)
  t.equal(changes.filter(({ target }) => target === 'chain answer').length >= 1, true)
  t.strictSame(await changesOf(firewall, settings), [])
})

void t.test('ensure() throws after three transactions when a program always changes the table', async (t) => {
  const { firewall, nft, meddle, loads } = open()
  await firewall.ensure(settings)
  meddle.after = () => nft.run({ flush: { chain: { family, table, name: 'answer' } } })
  const done = loads.length
  await t.rejects(firewall.ensure(strict), { code: 'FIREWALL_CONFLICT', message: /nft monitor/ })
  t.equal(loads.length - done, 3)
})

void t.test('apply() refuses a change set of another table', async (t) => {
  const { firewall, loads } = open()
  const other = openFirewall(createFakeHost(), { table: 'other' })
  t.throws(() => firewall.apply(other.plan(settings, undefined)), TypeError)
  t.strictSame(loads, [])
})

void t.test('ensure() creates the table again when a foreign object in it is in use', async (t) => {
  const { firewall, nft, meddle, loads } = open()
  await firewall.ensure(settings)
  nft.run({ add: { counter: { family, table, name: 'theirs' } } })
  // The kernel answers this while an object that nft cannot flush refers to the counter.
  meddle.before = () => {
    if (JSON.stringify(loads.at(-1)).includes('"delete":{"counter"')) throw new Error('Device or resource busy')
  }
  const changeSet = firewall.plan(settings, await firewall.read())
  t.strictSame(
    changeSet.changes.map(({ action, target }) => `${action} ${target}`),
    ['replace table'],
  )
  await t.rejects(firewall.apply(changeSet), { code: 'FIREWALL_REFUSED', message: /nothing was changed/ })
  t.equal((await changesOf(firewall, settings)).length, 1, 'the table is unchanged')
  t.strictSame(
    (await firewall.ensure(settings)).changes.map(({ action, target }) => `${action} ${target}`),
    ['replace table'],
  )
  t.strictSame(await changesOf(firewall, settings), [])
  t.match(JSON.stringify(loads.at(-1)), /"delete":\{"table"/)
})

void t.test('ensure() does not repeat a transaction that the kernel refuses', async (t) => {
  const { firewall, meddle, loads } = open()
  meddle.before = () => {
    throw new Error('Operation not permitted')
  }
  await t.rejects(firewall.ensure(settings), { code: 'FIREWALL_REFUSED', message: /not permitted/ })
  t.equal(loads.length, 1)
})

void t.test('apply() creates a dormant table again in one transaction', { skip: cannotRun }, async (t) => {
  const lab = await createLab(t)
  await lab.firewall.ensure(settings)
  await lab.nft('add', 'table', family, table, '{ flags dormant; }')
  t.match(await lab.nft('list', 'table', family, table), /flags dormant/)
  const { changes } = await lab.firewall.apply(lab.firewall.plan(settings, await lab.firewall.read()))
  t.strictSame(
    changes.map(({ action, target, before }) => [action, target, before]),
    [['replace', 'table', 'flags of the table, such as dormant']],
  )
  t.notMatch(await lab.nft('list', 'table', family, table), /dormant/)
  t.strictSame(await changesOf(lab.firewall, settings), [])
})
