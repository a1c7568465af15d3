import type { Test } from 'tap'
import { FirewallError, type Firewall } from '../../src/index.ts'
import type { Json } from '../../src/nft/table.ts'
import { crowd, settings } from './settings.ts'
import { changesOf } from './changes-of.ts'

/** A real or fake nft. */
export interface Subject {
  open(table?: string): Firewall
  /** Runs commands as another program would. */
  meddle(...commands: readonly Json[]): Promise<void>
  flushRuleset(): Promise<void>
  /** The names of all tables of family inet. */
  tables(): Promise<readonly string[]>
}

const table = 'puppy'
const family = 'inet'

export async function firewallConforms(t: Test, { open, meddle, flushRuleset, tables }: Subject): Promise<void> {
  const firewall = open()
  const actions = async (wanted = settings) =>
    (await firewall.ensure(wanted)).changes.map(({ target, action }) => `${action} ${target}`)

  t.match(await firewall.probe(), { works: true, version: /^\d/ })
  t.equal(await firewall.read(), undefined, 'read() returns undefined without a table')
  t.strictSame(await firewall.traffic(), [], 'traffic() is empty without a table')
  t.strictSame(await firewall.remove(), { changed: false }, 'remove() changes nothing without a table')

  t.matchOnlyStrict(await changesOf(firewall, settings), [
    { facility: 'firewall', target: 'table', action: 'add', after: /^\d+ chains, / },
  ])
  t.equal(await firewall.read(), undefined, 'plan() changes nothing')
  t.strictSame(await actions(), ['add table'])
  t.strictSame(await actions(), [], 'ensure() is idempotent')
  t.equal((await firewall.traffic()).length, settings.slots.length)

  const more = { ...settings, slots: [...settings.slots, { uid: 10_004, firstPort: 10_272, lastPort: 10_279 }] }
  const added = ['own', 'sent', 'received'].map((name) => `add set ${name}`)
  t.strictSame(
    await actions(more),
    ['change set slots', ...added, 'change chain output', 'change chain input'],
    'a slot is an element',
  )
  t.strictSame(await actions({ ...more, egress: [] }), ['remove set egress'])
  t.strictSame(await actions(settings), [
    'change set slots',
    'remove set own',
    'add set egress',
    'remove set sent',
    'remove set received',
    'change chain output',
    'change chain input',
  ])
  const moved = { uid: 10_000, firstPort: 10_241, lastPort: 10_250 }
  t.strictSame(
    (await actions({ ...settings, slots: [moved], egress: [] })).slice(0, 2),
    ['change set slots', 'change set own'],
    'ranges that overlap the previous ones',
  )
  await firewall.ensure(settings)

  const rule = { family, table, chain: 'output', expr: [{ accept: null }] }
  await meddle({ add: { rule } })
  t.strictSame(await actions(), ['change chain output'], 'a foreign rule')
  await meddle({ flush: { chain: { family, table, name: 'answer' } } })
  t.strictSame(await actions(), ['change chain answer'], 'a flushed chain')
  await meddle({ delete: { element: { family, table, name: 'callers', elem: [0] } } })
  t.strictSame(await actions(), ['add set callers'], 'a lost element')
  await meddle(
    { add: { chain: { family, table, name: 'foreign' } } },
    { add: { rule: { ...rule, expr: [{ jump: { target: 'foreign' } }] } } },
    { add: { set: { family, table, name: 'ether', type: 'ether_addr' } } },
    { add: { counter: { family, table, name: 'counter' } } },
  )
  t.strictSame(await actions(), ['replace table'], 'foreign objects')
  t.strictSame(await actions(), [])
  await meddle({ delete: { table: { family, name: table } } }, { add: { table: { family, name: table } } })
  await meddle({ add: { set: { family, table, name: 'own', type: 'ipv4_addr' } } })
  t.strictSame(await actions(), ['replace table'], 'a set of another kind')
  await flushRuleset()
  t.strictSame(await actions(), ['add table'], 'after flush ruleset by another program')

  await meddle({ add: { table: { family, name: 'other' } } }, { add: { chain: { family, table: 'other', name: 'c' } } })
  const other = open('puppy-other')
  await other.ensure({ ...settings, slots: [], egress: [] })
  t.strictSame((await tables()).toSorted(), ['other', 'puppy', 'puppy-other'])
  t.strictSame(await other.remove(), { changed: true })
  t.strictSame((await tables()).toSorted(), ['other', 'puppy'], 'remove() does not change other tables')

  await t.rejects(firewall.ensure({ ...settings, callers: [-1] }), { code: 'FIREWALL_INVALID' })
  t.strictSame(await changesOf(firewall, settings), [], 'an invalid spec changes nothing')
  t.throws(() => open('a b'), { code: 'FIREWALL_INVALID' }, 'an invalid name')
  const ended = await firewall.ensure(crowd(64), { signal: AbortSignal.abort() }).catch((error: unknown) => error)
  t.match(ended, { code: 'HOST_ABORTED' })
  t.notOk(ended instanceof FirewallError)
  t.equal((await firewall.ensure(crowd(64))).changed, true)
  t.equal((await firewall.traffic()).length, 64)
  t.strictSame(await firewall.remove(), { changed: true })
}
