import { setTimeout as sleep } from 'node:timers/promises'
import { createFakeHost, type FakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { createFakeSelinux, type FakeSelinuxOptions } from '../src/fake.ts'
import { openPolicy, type PolicyOptions } from '../src/policy.ts'
import { readBooleans } from '../src/store/booleans.ts'
import type { AppliedPolicy } from '../src/store/change.ts'
import { moduleOf } from '../src/store/modules.ts'
import type { PolicySpec } from '../src/store/spec.ts'
import { policyConforms } from './support/conformance.ts'
import { storeChecks } from './support/facility.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from './support/mini.ts'

t.setTimeout(600_000)
const marker = (name: string) => `(type ${name}_t)\n`
const install = (name: string): PolicySpec => ({ modules: { [name]: marker(name) } })

/** The results of a call as text: `module a changed`, `module b SELINUX_REFUSED`. */
const results = ({ results: all }: AppliedPolicy) =>
  all.map(({ target, changed, error }) => `${target} ${error?.code ?? (changed ? 'changed' : 'as before')}`)
const outcomes = (settled: readonly PromiseSettledResult<AppliedPolicy>[]) =>
  settled.map((one) =>
    one.status === 'fulfilled' ? results(one.value).join() : String((one.reason as { code?: unknown }).code),
  )

function openFake(options: PolicyOptions = {}, fakeOptions: FakeSelinuxOptions = {}) {
  const fake = createFakeSelinux(fakeOptions)
  const host: FakeHost = createFakeHost(fake.options)
  const policy = openPolicy(host, options)
  const modules = async () => (await policy.read()).modules.map(moduleOf)
  return { fake, host, policy, modules }
}

void t.test('ensure() starts no process when the policy matches the spec', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const commands: string[] = []
  const watched = {
    ...host,
    run: (...call: Parameters<typeof host.run>) => (commands.push(call[0][0]), host.run(...call)),
  }
  const policy = openPolicy(watched)
  t.strictSame(
    policy.plan(install('a'), await policy.read()).changes.map(({ action }) => action),
    ['install'],
  )
  t.strictSame(results(await policy.ensure(install('a'))), ['module a changed'])
  commands.length = 0
  t.strictSame(results(await policy.ensure(install('a'))), ['module a as before'])
  t.strictSame(commands, [])
})

void t.test(
  'ensure() shares one transaction between calls, and no call fails because of another call',
  { skip: noStore },
  async (t) => {
    const host = await createMiniStore(t)
    let transactions = 0
    const counting = {
      ...host,
      run: (...call: Parameters<typeof host.run>) => {
        if (call[0].some((word) => word.endsWith('/semodule')) && !call[0].includes('--help')) transactions += 1
        return host.run(...call)
      },
    }
    const policy = openPolicy(counting)
    const names = Array.from({ length: 30 }, (_, n) => `m${n}`)
    const applied = await Promise.all(names.map((name) => policy.ensure(install(name))))
    t.ok(applied.every(({ changed }) => changed))
    t.ok(transactions <= 2, `${transactions} transactions for 30 callers`)
    t.equal((await policy.read()).modules.length, 30)

    const settled = await Promise.allSettled([
      policy.ensure(install('first')),
      policy.ensure({ modules: { bad: '(allow' } }),
      policy.ensure({ ...install('good'), remove: ['m0'] }),
    ])
    t.strictSame(outcomes(settled), [
      'module first changed',
      'module bad SELINUX_REFUSED',
      'module good changed,module m0 changed',
    ])
    // The order depends on the disk. Neither call fails.
    const both = await Promise.allSettled([
      policy.ensure({ remove: ['m1'] }),
      policy.ensure({ modules: { m1: marker('other') } }),
    ])
    t.strictSame(outcomes(both), ['module m1 changed', 'module m1 changed'])
    t.strictSame((await policy.read()).modules.filter((name) => /^(m0|good)-/.test(name)).map(moduleOf), ['good'])
  },
)

void t.test('openPolicy() of a real store passes the conformance suite', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  await policyConforms(t, {
    host,
    commits: () => commitsOf(host),
    removeModule: async (name) => void (await semodule(host, '-X', '400', '-r', name)),
  })
})

void t.test('openPolicy() of a real store passes the facility suite', { skip: noStore || noLibrary }, async (t) => {
  const template = await createMiniStore(t)
  for (const { name, run } of storeChecks(template)) await t.test(name, run)
})

void t.test('apply() applies its change set, and refuses it when the store has changed', async (t) => {
  const { fake, policy, modules } = openFake()
  const [one, other] = [policy.plan(install('a'), await policy.read()), policy.plan(install('b'), await policy.read())]
  t.strictSame(results(await policy.apply(one)), ['module a changed'])
  t.strictSame(
    results(await policy.apply(other)),
    ['module b changed'],
    'items that are not in the change set may change',
  )
  await t.rejects(policy.apply(one), { code: 'SELINUX_CHANGED', message: /read and plan again/ })
  t.strictSame([await modules(), fake.commits()], [['a', 'b'], 2])
  const empty = policy.plan({}, await policy.read())
  t.strictSame(await policy.apply(empty), { changed: false, changes: [], results: [], needsReload: false })
})

void t.test('ensure() plans again when the store changes meanwhile, ten times at most', async (t) => {
  const fake = createFakeSelinux()
  const host = createFakeHost(fake.options)
  let [planned, meddling] = [0, 1]
  // Between planning and the transaction another process installs the module with another text.
  const busy: FakeHost = {
    ...host,
    lock: async (...call) => {
      planned += 1
      if (planned <= meddling) await openPolicy(host).ensure({ modules: { a: marker(`other${planned}`) } })
      return host.lock(...call)
    },
  }
  const policy = openPolicy(busy)
  t.strictSame(results(await policy.ensure(install('a'))), ['module a changed'])
  t.equal(planned, 2)
  meddling = Infinity
  planned = 0
  await t.rejects(policy.ensure({ modules: { a: marker('again') } }), { code: 'SELINUX_CHANGED' })
  t.equal(planned, 10)
})

void t.test('ensure() reverts only the transaction that fails its check', async (t) => {
  const { policy, modules } = openFake()
  await policy.ensure({ modules: { a: marker('first') } }, { verify: async () => undefined })
  const before = (await policy.read()).modules
  const refuse = { verify: async () => 'no login works' }
  await t.rejects(policy.ensure({ modules: { a: marker('a'), b: marker('b') } }, refuse), {
    code: 'SELINUX_ROLLED_BACK',
    message: /no login works/,
  })
  t.strictSame((await policy.read()).modules, before)
  t.equal((await policy.ensure({ modules: { a: marker('first') } }, refuse)).changed, false, 'nothing was loaded')

  const settled = await Promise.allSettled([
    policy.ensure(install('c')),
    policy.ensure(install('d'), refuse),
    policy.ensure(install('e')),
  ])
  t.strictSame(outcomes(settled), ['module c changed', 'SELINUX_ROLLED_BACK', 'module e changed'])
  t.strictSame(await modules(), ['a', 'c', 'e'])
})

void t.test('ensure() waits for the promise of gather, so that calls share a transaction', async (t) => {
  const all = Promise.withResolvers<undefined>()
  const { fake, policy } = openFake({ gather: () => all.promise })
  const first = policy.ensure(install('a'))
  await sleep(20)
  t.equal(fake.commits(), 0)
  const second = policy.ensure(install('b'))
  await sleep(20)
  all.resolve(undefined)
  t.strictSame((await Promise.all([first, second])).map(results), [['module a changed'], ['module b changed']])
  t.equal(fake.commits(), 1)
})

void t.test('ensure() applies the later of two different specs, and no call fails', async (t) => {
  const all = Promise.withResolvers<undefined>()
  const { fake, policy } = openFake({ gather: () => all.promise })
  const calls = [
    policy.ensure({ modules: { a: marker('one') } }),
    policy.ensure({ modules: { a: marker('two'), b: marker('b') } }),
    policy.ensure({ modules: { a: marker('one') } }),
  ]
  await sleep(20)
  all.resolve(undefined)
  t.strictSame((await Promise.all(calls)).map(results), [
    ['module a changed'],
    ['module a changed', 'module b changed'],
    ['module a changed'],
  ])
  t.equal(fake.commits(), 2, 'calls that agree share a transaction')
  t.strictSame(policy.plan({ modules: { a: marker('two'), b: marker('b') } }, await policy.read()).changes, [])
})

void t.test('an aborted call does not affect other calls', async (t) => {
  const all = Promise.withResolvers<undefined>()
  const { fake, policy, modules } = openFake({ gather: () => all.promise })
  const end = new AbortController()
  const calls = [policy.ensure(install('a')), policy.ensure(install('b'), { signal: end.signal })]
  const settled = Promise.allSettled(calls)
  await sleep(20)
  end.abort()
  all.resolve(undefined)
  t.strictSame(outcomes(await settled), ['module a changed', 'HOST_ABORTED'])
  t.strictSame([await modules(), fake.commits()], [['a'], 1])
  const late = { signal: end.signal }
  await t.rejects(policy.ensure(install('c'), late), { code: 'HOST_ABORTED' })
  t.strictSame(results(await policy.ensure(install('a'))), ['module a as before'])
})

void t.test('a transaction is ended when all its calls are aborted', async (t) => {
  const fake = createFakeSelinux()
  const { '/usr/sbin/semodule': tool, ...programs } = fake.options.programs
  const running = Promise.withResolvers<undefined>()
  let signal: AbortSignal | undefined
  const host = createFakeHost({
    ...fake.options,
    programs: { ...programs, '/usr/sbin/semodule': (call) => tool?.(call) ?? {} },
  })
  const slow: FakeHost = {
    ...host,
    run: async (command, options) => {
      if (command[0] !== '/usr/sbin/semodule') return host.run(command, options)
      signal = options.signal
      running.resolve(undefined)
      await sleep(60_000, undefined, { signal }).catch(() => {})
      return host.run(command, options)
    },
  }
  const policy = openPolicy(slow)
  const ends = [new AbortController(), new AbortController()]
  let open = () => {}
  const gathered = new Promise<void>((resolve) => (open = resolve))
  const shared = openPolicy(slow, { gather: () => gathered })
  const settled = Promise.allSettled(ends.map((end, n) => shared.ensure(install(`m${n}`), { signal: end.signal })))
  await sleep(20)
  open()
  await running.promise
  ends[0]?.abort()
  t.equal(signal?.aborted, false, 'the other call is not aborted')
  ends[1]?.abort()
  t.equal(signal?.aborted, true)
  t.strictSame(outcomes(await settled), ['HOST_ABORTED', 'HOST_ABORTED'])
  t.strictSame((await policy.read()).modules, [])
})

void t.test('forget() removes all working folders and keeps the policy', async (t) => {
  const { host, policy } = openFake()
  await policy.forget()
  await policy.ensure(install('a'))
  const { modules } = await policy.read()
  t.strictSame(await host.list('/var/lib'), ['puppy-selinux', 'selinux'])
  await policy.forget()
  t.strictSame([await host.list('/var/lib'), await host.list('/run')], [['selinux'], []])
  t.strictSame((await policy.read()).modules, modules)
})

void t.test('ensure() reverts changes without a generation, and keeps changes of other processes', async (t) => {
  const { host, policy } = openFake({}, { booleans: { one: false, two: true } })
  const refuse = { verify: async () => 'no' }
  const refused = (spec: PolicySpec) => t.rejects(policy.ensure(spec, refuse), { code: 'SELINUX_ROLLED_BACK' })
  await policy.ensure({ ...install('a'), booleans: { one: true } })
  await policy.ensure(install('b'))
  const name = (await policy.read()).modules.find((module) => module.startsWith('a-')) ?? ''
  const whole = async () => [await policy.read(), await readBooleans(host, ['one', 'two'])]

  await host.run(['/usr/sbin/semodule', '-d', name], { touches: 'machine' })
  let before = await whole()
  await refused(install('a'))
  t.strictSame(await whole(), before, 'enabled')
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
    policy.plan({ modules: { c: marker('c1') } }, await policy.read()).changes,
    [],
    'rollback() restores the previous state',
  )
  const outcome = await policy
    .ensure(install('d'), { verify: async () => Promise.reject(new Error('x')) })
    .catch((error: unknown) => error)
  t.match(outcome, { code: 'SELINUX_ROLLED_BACK', message: /the check failed: x/ })
})

void t.test('ensure() fails only the call that needs a missing program', async (t) => {
  const fake = createFakeSelinux()
  const { '/usr/bin/python3': _, ...programs } = fake.options.programs
  const policy = openPolicy(createFakeHost({ ...fake.options, programs }), {
    gather: () => Promise.reject(new Error('x')),
  })
  const settled = await Promise.allSettled([
    policy.ensure(install('a')),
    policy.ensure({ modules: { b: '(boolean own false)' }, booleans: { own: true } }),
    policy.ensure(install('c')),
  ])
  t.strictSame(outcomes(settled), ['module a changed', 'SELINUX_NOT_INSTALLED', 'module c changed'])
})

void t.test('ensure() does not read the kernel when the policy is not loaded', async (t) => {
  const { host, policy } = openFake({ reload: false }, { booleans: { one: false } })
  const { changed, needsReload } = await policy.ensure({ booleans: { one: true } })
  t.strictSame([changed, needsReload], [true, true])
  t.equal((await policy.ensure({ booleans: { one: true } })).changed, false)
  t.strictSame(await readBooleans(host, ['one']), { one: false })
})

void t.test('ensure() reports a boolean that the kernel refuses, and applies the other items', async (t) => {
  const fake = createFakeSelinux({ booleans: { one: false } })
  const deaf = { ...fake.options.programs, '/usr/sbin/setsebool': () => ({}) }
  const host = createFakeHost({ ...fake.options, programs: deaf })
  const policy = openPolicy(host)
  const applied = await policy.ensure({ ...install('a'), booleans: { one: true } })
  t.strictSame(results(applied), ['module a changed', 'boolean one SELINUX_MISMATCH'])
})

void t.test('ensure() reads back every change', async (t) => {
  const fake = createFakeSelinux({ booleans: { one: false } })
  const idle = { ...fake.options.programs, '/usr/sbin/semodule': () => ({}), '/usr/bin/python3': () => ({}) }
  const policy = openPolicy(createFakeHost({ ...fake.options, programs: idle }))
  t.strictSame(results(await policy.ensure({ ...install('a'), dontaudit: 'logged' })), [
    'module a SELINUX_MISMATCH',
    'dontaudit SELINUX_MISMATCH',
  ])
  t.strictSame(results(await policy.ensure({ booleans: { one: true } })), ['boolean one SELINUX_MISMATCH'])
  const files = { ...fake.options.files, '/etc/selinux/default/seusers': '' }
  const broken = openPolicy(createFakeHost({ ...fake.options, files, programs: idle }))
  await t.rejects(broken.ensure({}), { code: 'SELINUX_MISMATCH', message: /seusers/ }, 'a file that was not rebuilt')
})

void t.test('ensure() reports a failed check and a failed reversal', async (t) => {
  let locked = false
  const fake = createFakeSelinux()
  const { '/usr/sbin/semodule': tool, ...programs } = fake.options.programs
  const broken: FakeProgram = (call) =>
    locked ? { exitCode: 1, stderr: 'the tool is broken\n' } : (tool?.(call) ?? {})
  const host = createFakeHost({ ...fake.options, programs: { ...programs, '/usr/sbin/semodule': broken } })
  const verify = async () => ((locked = true), 'no login works')
  await t.rejects(openPolicy(host).ensure(install('a'), { verify }), {
    code: 'SELINUX_MISMATCH',
    message: /no login works.*reverting failed.*the tool is broken/,
  })
})

void t.test('rollback() restores all items or none', async (t) => {
  let strict = false
  const refuses = (text: string) => (strict && text.includes('one_t') ? 'Failed to resolve' : undefined)
  const { policy, modules } = openFake({}, { refuses })
  await policy.ensure({ modules: { a: marker('one'), b: marker('b') } })
  await policy.ensure({ modules: { a: marker('two') }, remove: ['b'] })
  const before = await policy.read()
  strict = true
  await t.rejects(policy.rollback(), { code: 'SELINUX_REFUSED' })
  t.strictSame(await policy.read(), before)
  strict = false
  t.strictSame(results(await policy.rollback()).toSorted(), ['module a changed', 'module b changed'])
  t.strictSame(await modules(), ['a', 'b'])
})

void t.test('ensure() and read() report that SELinux is off', async (t) => {
  await t.rejects(openPolicy(createFakeHost()).ensure({}), { code: 'SELINUX_DISABLED' })
  await t.rejects(openPolicy(createFakeHost(), { type: 'default' }).read(), { code: 'SELINUX_DISABLED' })
})
