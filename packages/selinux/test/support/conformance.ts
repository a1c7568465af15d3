import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import { moduleOf, openPolicy } from '../../src/index.ts'

/** A store without modules of ours, real or fake; its policy has no boolean called `none`. */
export interface Subject {
  readonly host: Host
  /** How often the store was committed. */
  commits(): Promise<number>
  /** Removes a module, by its name in the store, as another program would. */
  meddle(name: string): Promise<void>
}

const own = '(boolean own false)\n'

export async function policyConforms(t: Test, { host, commits, meddle }: Subject): Promise<void> {
  const policy = openPolicy(host)
  const modules = async () => (await policy.read()).modules.map(moduleOf)
  const beside = async () => {
    const { type: _type, modules: _modules, ...rest } = await policy.read()
    return rest
  }
  const quiet = { disabled: [], booleans: {}, dontaudit: 'silent', empty: [], interrupted: false }
  t.strictSame([await modules(), await beside()], [[], quiet])
  await t.rejects(policy.rollback(), { code: 'SELINUX_NO_PREVIOUS' }, 'rollback() of nothing')

  const start = await commits()
  const wish = { modules: { a: own, b: '(type b_t)\n' }, booleans: { own: true } }
  t.match((await policy.plan(wish)).changes.length, 3)
  t.equal(await commits(), start, 'plan() changes nothing')
  t.match(await policy.ensure(wish), { changed: true, repaired: false })
  t.equal(await commits(), start + 1, 'ensure() commits once')
  t.strictSame([await modules(), (await policy.read()).booleans], [['a', 'b'], { own: true }])
  t.match(await policy.ensure(wish), { changed: false }, 'ensure() is idempotent')
  t.equal(await commits(), start + 1)

  await t.rejects(policy.ensure({ modules: { bad: '(type' } }), { code: 'SELINUX_REFUSED', message: /bad-[0-9a-f]+/ })
  await t.rejects(policy.ensure({ booleans: { none: true } }), { code: 'SELINUX_INVALID', message: /"none"/ })
  await t.rejects(policy.ensure({ booleans: { '../own': true } }), { code: 'SELINUX_INVALID' })
  t.strictSame([await modules(), await commits()], [['a', 'b'], start + 1], 'what is refused changes nothing')

  const callers = Array.from({ length: 10 }, (_, n) => policy.ensure({ modules: { [`m${n}`]: `(type m${n}_t)\n` } }))
  t.ok((await Promise.all(callers)).every(({ changed }) => changed))
  t.ok((await commits()) <= start + 3, 'callers share')
  const all = Array.from({ length: 10 }, (_, n) => `m${n}`)
  t.match(await policy.ensure({ remove: all }), { changed: true })
  t.strictSame(await modules(), ['a', 'b'])

  t.match(await policy.ensure({ modules: { b: '(type other_t)\n' }, booleans: { own: false } }), { changed: true })
  t.match(await policy.rollback(), { changed: true })
  t.strictSame((await policy.plan(wish)).changes, [], 'rollback() is what was before')
  t.match(await policy.rollback(), { changed: true })
  t.strictSame((await policy.read()).booleans, { own: false }, 'and forward again')

  await policy.ensure({ dontaudit: 'logged' })
  t.match(await policy.read(), { dontaudit: 'logged' })
  await policy.ensure({ dontaudit: 'silent', booleans: { own: 'default' } })
  t.strictSame(await beside(), quiet)

  await meddle((await policy.read()).modules.find((name) => moduleOf(name) === 'b') ?? '')
  t.strictSame(await modules(), ['a'])
  t.match(await policy.ensure({ modules: { b: '(type other_t)\n' } }), { changed: true }, 'what somebody took is back')
  t.match(await policy.ensure({ remove: ['a', 'b'] }), { changed: true })
  t.match(await policy.ensure({ remove: ['a', 'b'] }), { changed: false })
  t.strictSame(await modules(), [])
}
