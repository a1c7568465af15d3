import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { createFakeSelinux } from '../src/fake.ts'
import { openPolicy } from '../src/policy.ts'
import { policyConforms } from './support/conformance.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from './support/mini.ts'

t.setTimeout(120_000)
const marker = (name: string) => `(type ${name}_t)\n`

void t.test('openPolicy() starts no process when there is nothing to do', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const commands: string[] = []
  const watched = {
    ...host,
    run: (...call: Parameters<typeof host.run>) => (commands.push(call[0][0]), host.run(...call)),
  }
  const policy = openPolicy(watched)
  t.match((await policy.plan({ modules: { a: marker('a') } })).changes, [{ action: 'install' }])
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
    t.match(settled, [{ status: 'fulfilled' }, { reason: { code: 'SELINUX_REFUSED' } }, { status: 'fulfilled' }])
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
  t.match(settled, [{ status: 'fulfilled' }, { reason: { code: 'SELINUX_ROLLED_BACK' } }, { status: 'fulfilled' }])
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
  t.match(await Promise.all([first, second]), [{ changed: true }, { changed: true }])
  t.equal(fake.commits(), 1)
})

void t.test('forget() leaves nothing beside the policy', async (t) => {
  const fake = createFakeSelinux()
  const host = createFakeHost(fake.options)
  const policy = openPolicy(host)
  await policy.forget()
  await policy.ensure({ modules: { a: marker('a') } })
  const { modules } = await policy.read()
  t.strictSame(await host.list('/var/lib'), ['puppy-selinux-default', 'selinux'])
  await policy.forget()
  t.strictSame([await host.list('/var/lib'), await host.list('/run')], [['selinux'], []])
  t.strictSame((await policy.read()).modules, modules)
})

void t.test('ensure() says so when what failed its check cannot be taken back', async (t) => {
  let full = false
  const fake = createFakeSelinux()
  const df = () => ({ stdout: full ? '  Avail\n0\n' : '  Avail\n1000000000\n' })
  const host = createFakeHost({ ...fake.options, programs: { ...fake.options.programs, '/usr/bin/df': df } })
  const verify = async () => ((full = true), 'nobody can log in')
  await t.rejects(openPolicy(host).ensure({ modules: { a: marker('a') } }, { verify }), {
    code: 'SELINUX_MISMATCH',
    message: /nobody can log in.*could not be taken back.*0 bytes are free/,
  })
})

void t.test('ensure() says when there is no SELinux', async (t) => {
  await t.rejects(openPolicy(createFakeHost()).ensure({}), { code: 'SELINUX_DISABLED' })
  await t.rejects(openPolicy(createFakeHost(), { type: 'default' }).read(), { code: 'SELINUX_DISABLED' })
})
