import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import type { SelinuxError } from '../src/errors.ts'
import { createFakeSelinux } from '../src/fake.ts'
import { openPolicy } from '../src/policy.ts'
import { readBooleans } from '../src/store/booleans.ts'
import { moduleName } from '../src/store/modules.ts'
import type { PolicyWish } from '../src/store/plan.ts'
import { policyConforms } from './support/conformance.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from './support/mini.ts'

t.setTimeout(120_000)
const marker = (name: string) => `(type ${name}_t)\n`
const outcomes = (settled: readonly PromiseSettledResult<unknown>[]) =>
  settled.map((one) => (one.status === 'fulfilled' ? 'fulfilled' : (one.reason as SelinuxError).code))

void t.test('openPolicy() starts no process when there is nothing to do', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const commands: string[] = []
  const watched = {
    ...host,
    run: (...call: Parameters<typeof host.run>) => (commands.push(call[0][0]), host.run(...call)),
  }
  const policy = openPolicy(watched)
  t.strictSame((await policy.plan({ modules: { a: marker('a') } })).changes, [
    { action: 'install', module: 'a', name: moduleName('a', marker('a')), text: marker('a') },
  ])
  t.match(await policy.ensure({ modules: { a: marker('a') } }), { changed: true })
  commands.length = 0
  t.match(await policy.ensure({ modules: { a: marker('a') } }), { changed: false })
  t.strictSame(commands, [])
})

void t.test(
  'ensure() makes one transaction of many callers, and none fails for another',
  { skip: noStore },
  async (t) => {
    const host = await createMiniStore(t)
    let transactions = 0
    const counting = {
      ...host,
      run: (...call: Parameters<typeof host.run>) => {
        if (call[0].some((word) => word.endsWith('/semodule'))) transactions += 1
        return host.run(...call)
      },
    }
    const policy = openPolicy(counting)
    const names = Array.from({ length: 30 }, (_, n) => `m${n}`)
    const results = await Promise.all(names.map((name) => policy.ensure({ modules: { [name]: marker(name) } })))
    t.ok(results.every(({ changed }) => changed))
    t.ok(transactions <= 2, `${transactions} transactions for 30 callers`)
    t.equal((await policy.read()).modules.length, 30)

    const settled = await Promise.allSettled([
      policy.ensure({ modules: { first: marker('first') } }),
      policy.ensure({ modules: { bad: '(allow' } }),
      policy.ensure({ modules: { good: marker('good') }, remove: ['m0'] }),
    ])
    t.strictSame(outcomes(settled), ['fulfilled', 'SELINUX_REFUSED', 'fulfilled'])
    await Promise.all([policy.ensure({ remove: ['m1'] }), policy.ensure({ modules: { m1: marker('other') } })])
    t.equal((await policy.read()).modules.filter((name) => /^(m[01]|good)-/.test(name)).length, 2)
  },
)

void t.test('openPolicy() of a real store conforms', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  await policyConforms(t, {
    host,
    commits: () => commitsOf(host),
    meddle: async (name) => void (await semodule(host, '-X', '400', '-r', name)),
  })
})

void t.test('ensure() takes back what does not pass its check, and only that', async (t) => {
  const fake = createFakeSelinux()
  const policy = openPolicy(createFakeHost(fake.options))
  const modules = async () => (await policy.read()).modules.map((name) => name.slice(0, name.indexOf('-')))
  await policy.ensure({ modules: { a: marker('first') } }, { verify: async () => undefined })
  const before = (await policy.read()).modules
  const refuse = { verify: async () => 'nobody can log in' }
  await t.rejects(policy.ensure({ modules: { a: marker('a'), b: marker('b') } }, refuse), {
    code: 'SELINUX_ROLLED_BACK',
    message: /nobody can log in/,
  })
  t.strictSame((await policy.read()).modules, before)
  t.match(await policy.ensure({ modules: { a: marker('first') } }, refuse), { changed: false }, 'nothing was loaded')

  const settled = await Promise.allSettled([
    policy.ensure({ modules: { c: marker('c') } }),
    policy.ensure({ modules: { d: marker('d') } }, refuse),
    policy.ensure({ modules: { e: marker('e') } }),
  ])
  t.strictSame(outcomes(settled), ['fulfilled', 'SELINUX_ROLLED_BACK', 'fulfilled'])
  t.strictSame(await modules(), ['a', 'c', 'e'])
})

void t.test('ensure() waits for those who will share, when told to', async (t) => {
  const fake = createFakeSelinux()
  const all = Promise.withResolvers<undefined>()
  const policy = openPolicy(createFakeHost(fake.options), { gather: () => all.promise })
  const first = policy.ensure({ modules: { a: marker('a') } })
  await new Promise((wake) => setTimeout(wake, 20))
  t.equal(fake.commits(), 0)
  const second = policy.ensure({ modules: { b: marker('b') } })
  await new Promise((wake) => setTimeout(wake, 20))
  all.resolve(undefined)
  t.strictSame(
    (await Promise.all([first, second])).map(({ changed }) => changed),
    [true, true],
  )
  t.equal(fake.commits(), 1)
})

void t.test('forget() leaves nothing beside the policy', async (t) => {
  const fake = createFakeSelinux()
  const host = createFakeHost(fake.options)
  const policy = openPolicy(host)
  await policy.forget()
  await policy.ensure({ modules: { a: marker('a') } })
  const { modules } = await policy.read()
  t.strictSame(await host.list('/var/lib'), ['puppy-selinux', 'selinux'])
  await policy.forget()
  t.strictSame([await host.list('/var/lib'), await host.list('/run')], [['selinux'], []])
  t.strictSame((await policy.read()).modules, modules)
})

void t.test('ensure() takes back what has no generation, and nothing of others', async (t) => {
  const fake = createFakeSelinux({ booleans: { one: false, two: true } })
  const host = createFakeHost(fake.options)
  const policy = openPolicy(host)
  const refuse = { verify: async () => 'no' }
  const refused = (wish: PolicyWish) => t.rejects(policy.ensure(wish, refuse), { code: 'SELINUX_ROLLED_BACK' })
  await policy.ensure({ modules: { a: marker('a') }, booleans: { one: true } })
  await policy.ensure({ modules: { b: marker('b') } })
  const name = (await policy.read()).modules.find((module) => module.startsWith('a-')) ?? ''
  const whole = async () => [await policy.read(), await readBooleans(host, ['one', 'two'])]

  await host.run(['/usr/sbin/semodule', '-d', name], { touches: 'machine' })
  let before = await whole()
  await refused({ modules: { a: marker('a') } })
  t.strictSame(await whole(), before, 'switched on')
  await refused({ dontaudit: 'logged', booleans: { two: false } })
  t.strictSame(await whole(), before, 'hidden denials, and a value')
  await host.run(['/usr/sbin/setsebool', 'one=0'], { touches: 'machine' })
  before = await whole()
  await refused({ booleans: { one: true } })
  t.strictSame(await whole(), before, 'a value until the next boot')

  await policy.ensure({ modules: { c: marker('c1') } })
  await policy.ensure({ modules: { c: marker('c2') } })
  await refused({ modules: { c: marker('c3') } })
  await policy.rollback()
  t.strictSame(
    (await policy.plan({ modules: { c: marker('c1') } })).changes,
    [],
    'the way back leads to what was before',
  )
  const outcome = await policy
    .ensure({ modules: { d: marker('d') } }, { verify: async () => Promise.reject(new Error('x')) })
    .catch((error: unknown) => error)
  t.match(outcome, { code: 'SELINUX_ROLLED_BACK', message: /could not be looked at: x/ })
})

void t.test('ensure() keeps callers apart when one cannot have what it wants', async (t) => {
  const fake = createFakeSelinux()
  const { '/usr/bin/python3': _, ...programs } = fake.options.programs
  const policy = openPolicy(createFakeHost({ ...fake.options, programs }), {
    gather: () => Promise.reject(new Error('x')),
  })
  const settled = await Promise.allSettled([
    policy.ensure({ modules: { a: marker('a') } }),
    policy.ensure({ modules: { b: '(boolean own false)' }, booleans: { own: true } }),
    policy.ensure({ modules: { c: marker('c') } }),
  ])
  t.strictSame(outcomes(settled), ['fulfilled', 'SELINUX_NOT_INSTALLED', 'fulfilled'])
})

void t.test('ensure() of a policy that the kernel does not get asks nothing of the kernel', async (t) => {
  const fake = createFakeSelinux({ booleans: { one: false } })
  const host = createFakeHost(fake.options)
  const policy = openPolicy(host, { reload: false })
  t.match(await policy.ensure({ booleans: { one: true } }), { changed: true, needsReload: true })
  t.match(await policy.ensure({ booleans: { one: true } }), { changed: false })
  t.strictSame(await readBooleans(host, ['one']), { one: false })
})

void t.test('ensure() says so when what failed its check cannot be taken back', async (t) => {
  let locked = false
  const fake = createFakeSelinux()
  const { '/usr/sbin/semodule': tool, ...programs } = fake.options.programs
  const semodule: FakeProgram = (call) =>
    locked ? { exitCode: 1, stderr: 'the tool is broken\n' } : (tool?.(call) ?? {})
  const host = createFakeHost({ ...fake.options, programs: { ...programs, '/usr/sbin/semodule': semodule } })
  const verify = async () => ((locked = true), 'nobody can log in')
  await t.rejects(openPolicy(host).ensure({ modules: { a: marker('a') } }, { verify }), {
    code: 'SELINUX_MISMATCH',
    message: /nobody can log in.*could not be taken back.*the tool is broken/,
  })
})

void t.test('ensure() says when there is no SELinux', async (t) => {
  await t.rejects(openPolicy(createFakeHost()).ensure({}), { code: 'SELINUX_DISABLED' })
  await t.rejects(openPolicy(createFakeHost(), { type: 'default' }).read(), { code: 'SELINUX_DISABLED' })
})
