import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import { openPolicy } from '../../src/index.ts'
import { moduleOf } from '../../src/store/modules.ts'

/** A real or fake store without modules of this library. Its policy has no boolean called `none`. */
export interface Subject {
  readonly host: Host
  /** Returns how many times the store was committed. */
  commits(): Promise<number>
  /** Removes a module, by its name in the store, as another program would. */
  removeModule(name: string): Promise<void>
}

const own = '(boolean own false)\n'

/** Checks the behaviour of the policy that the common facility suite does not cover. */
export async function policyConforms(t: Test, { host, commits, removeModule }: Subject): Promise<void> {
  const policy = openPolicy(host)
  const modules = async () => (await policy.read()).modules.map(moduleOf)
  const { type: _, ...fresh } = await policy.read()
  t.strictSame(fresh, {
    modules: [],
    disabled: [],
    booleans: {},
    // A folder, and a kernel without SELinux, have no loaded values.
    ...('loaded' in fresh ? { loaded: {} } : {}),
    dontaudit: 'silent',
    empty: [],
    interrupted: false,
  })
  await t.rejects(policy.rollback(), { code: 'SELINUX_NO_PREVIOUS' }, 'rollback() without a transaction')

  const start = await commits()
  const spec = { modules: { a: own, b: '(type b_t)\n' }, booleans: { own: true } }
  t.equal(policy.plan(spec, await policy.read(spec)).changes.length, 3)
  t.equal(await commits(), start, 'plan() changes nothing')
  const applied = await policy.ensure(spec)
  t.strictSame(
    [applied.changed, applied.results],
    [true, ['module a', 'module b', 'boolean own'].map((target) => ({ target, changed: true }))],
  )
  t.equal(await commits(), start + 1, 'ensure() commits once')
  t.strictSame([await modules(), (await policy.read()).booleans], [['a', 'b'], { own: true }])
  t.equal((await policy.ensure(spec)).changed, false, 'ensure() is idempotent')
  t.equal(await commits(), start + 1)

  const bad = await policy.ensure({
    modules: { bad: '(type' },
    booleans: { own: true, none: true, '../own': true },
  })
  t.strictSame(
    bad.results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['module bad', false, 'SELINUX_REFUSED'],
      ['boolean own', false, undefined],
      ['boolean none', false, 'SELINUX_INVALID'],
      ['boolean ../own', false, 'SELINUX_INVALID'],
    ],
  )
  t.equal(bad.changed, false)
  t.match(bad.results[0]?.error?.message, /bad-[0-9a-f]+/)
  t.match(bad.results[2]?.error?.message, /"none"/)
  t.strictSame([await modules(), await commits()], [['a', 'b'], start + 1], 'refused items change nothing')

  const some = await policy.ensure({
    modules: { bad: '(type', c: '(type c_t)\n' },
    booleans: { none: true, own: false },
  })
  t.strictSame(
    some.results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['module bad', false, 'SELINUX_REFUSED'],
      ['module c', true, undefined],
      ['boolean none', false, 'SELINUX_INVALID'],
      ['boolean own', true, undefined],
    ],
  )
  t.strictSame([await modules(), await commits()], [['a', 'b', 'c'], start + 2], 'the other items are committed')
  await policy.ensure({ remove: ['c'], booleans: { own: true } })

  const before = await commits()
  const callers = Array.from({ length: 10 }, (_, n) => policy.ensure({ modules: { [`m${n}`]: `(type m${n}_t)\n` } }))
  t.ok((await Promise.all(callers)).every(({ changed }) => changed))
  t.ok((await commits()) <= before + 2, 'calls share transactions')
  const all = Array.from({ length: 10 }, (_, n) => `m${n}`)
  t.equal((await policy.ensure({ remove: all })).changed, true)
  t.strictSame(await modules(), ['a', 'b'])

  t.equal((await policy.ensure({ modules: { b: '(type other_t)\n' }, booleans: { own: false } })).changed, true)
  t.equal((await policy.rollback()).changed, true)
  t.strictSame(policy.plan(spec, await policy.read(spec)).changes, [], 'rollback() restores the previous state')
  t.equal((await policy.rollback()).changed, true)
  t.strictSame((await policy.read()).booleans, { own: false }, 'a second rollback() restores the newer state')

  await policy.ensure({ dontaudit: 'logged' })
  t.equal((await policy.read()).dontaudit, 'logged')
  await policy.ensure({ dontaudit: 'silent', booleans: { own: 'default' } })
  const { dontaudit, booleans } = await policy.read()
  t.strictSame([dontaudit, booleans], ['silent', {}])

  const lost = { modules: { b: '(type other_t)\n' }, booleans: { own: true } }
  const planned = policy.plan({ modules: { b: '(type third_t)\n' } }, await policy.read())
  await removeModule((await policy.read()).modules.find((name) => moduleOf(name) === 'b') ?? '')
  t.strictSame(await modules(), ['a'])
  const committed = await commits()
  await t.rejects(policy.apply(planned), { code: 'SELINUX_CHANGED' }, 'apply() does not plan again')
  t.strictSame([await modules(), await commits()], [['a'], committed])
  t.equal((await policy.ensure(lost)).changed, true, 'ensure() installs a module that another program removed')
  t.equal((await policy.ensure({ remove: ['a', 'b'], booleans: { own: 'default' } })).changed, true)
  t.equal((await policy.ensure({ remove: ['a', 'b'] })).changed, false)
  t.strictSame(await modules(), [])
}
