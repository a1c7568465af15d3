import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { createFakeSelinux, type FakeSelinuxOptions } from '../src/fake.ts'
import { renderTenantPolicy, renderTenantSlots } from '../src/cil/index.ts'
import { parseContext } from '../src/context.ts'
import { inspect, openPolicy, readBooleans, readContexts, readState, relabel } from '../src/index.ts'
import { pairAt } from '../src/level.ts'
import { policyConforms } from './support/conformance.ts'
import { fakeChecks } from './support/facility.ts'

const tenant = { login: 'p10000', uid: 10_000, level: pairAt(0), ports: { first: 10_240, last: 10_247 } }
const about = { ports: { first: 10_240, last: 32_767 } }
const modules = { puppy_tenants: renderTenantPolicy(about), puppy_slots: renderTenantSlots(about, [tenant]) }

function open(options: FakeSelinuxOptions = {}, files: Readonly<Record<string, string>> = {}) {
  const fake = createFakeSelinux(options)
  const host = createFakeHost({ ...fake.options, files: { ...fake.options.files, ...files } })
  return { fake, host, policy: openPolicy(host) }
}

for (const mode of ['enforcing', 'permissive', 'off'] as const) {
  void t.test(`createFakeSelinux() passes the conformance suite, ${mode}`, async (t) => {
    const { fake, host } = open({ mode })
    await policyConforms(t, {
      host,
      commits: async () => fake.commits(),
      removeModule: async (name) =>
        void (await host.run(['/usr/sbin/semodule', '-s', 'default', '-X', '400', '-r', name], { touches: 'machine' })),
    })
  })
}

for (const [title, checks] of [
  ['enforcing', fakeChecks()],
  ['permissive', fakeChecks({ mode: 'permissive' })],
  ['not loaded', fakeChecks({}, { reload: false })],
] as const)
  void t.test(`openPolicy() of a fake host passes the facility suite, ${title}`, async (t) => {
    for (const { name, run } of checks) await t.test(name, run)
  })

void t.test('createFakeSelinux() relabels a home, and isolates tenants after the policy is installed', async (t) => {
  const { fake, host, policy } = open({}, { '/home/p10000/a/b': '', '/home/p10001/a': '' })
  t.match(await readState(host), { mode: 'enforcing', mls: true, type: 'default' })
  const faults = async () =>
    (await inspect(host, [{ ...tenant, home: '/home/p10000' }])).flatMap(({ check, holds }) => (holds ? [] : [check]))
  t.strictSame(await faults(), ['policy', 'apart', 'ports', 'programs', 'homes'])
  await policy.ensure({ modules })
  t.strictSame(await faults(), ['homes'])
  const spec = { path: '/home/p10000', user: 'puppy_u', level: pairAt(0), uid: 10_000 }
  t.strictSame(await relabel(host, spec, { types: true }), { changed: true })
  t.strictSame(await relabel(host, spec), { changed: false })
  t.equal(fake.contextOf('/home/p10000/a/b'), 'puppy_u:object_r:user_home_t:s0:c0,c1')
  t.strictSame(await faults(), [])
  t.strictSame(await readContexts(host, ['/home/p10001', '/home/none']), [
    { path: '/home/p10001', context: parseContext('system_u:object_r:user_home_t:s0') },
  ])
  await fake.enforce(host, false)
  t.strictSame(await faults(), ['mode'])
})

void t.test('createFakeSelinux() has separate booleans in the kernel and in the store', async (t) => {
  const { host, policy } = open({ booleans: { httpd_a: false, httpd_b: true } })
  await policy.ensure({ booleans: { httpd_a: true } })
  t.strictSame(await readBooleans(host, ['httpd_a', 'httpd_b']), { httpd_a: true, httpd_b: true })
  await host.run(['/usr/sbin/setsebool', 'httpd_a=0'], { touches: 'machine' })
  const spec = { booleans: { httpd_a: true } }
  t.strictSame(
    policy.plan(spec, await policy.read(spec)).changes.map(({ action }) => action),
    ['load'],
  )
  t.equal((await policy.ensure(spec)).changed, true)
  t.strictSame(await readBooleans(host, ['httpd_a']), { httpd_a: true })
  await policy.ensure({ booleans: { httpd_a: 'default' } })
  t.strictSame(await readBooleans(host, ['httpd_a']), { httpd_a: false }, 'the default value of the policy')
})

void t.test('createFakeSelinux() refuses modules as configured, and hides users from genhomedircon', async (t) => {
  const refuses = (text: string) => (text.includes('gone_t') ? 'Failed to resolve allow statement' : undefined)
  const fake = createFakeSelinux({ refuses })
  const files = {
    ...fake.options.files,
    '/etc/passwd': 'root:x:0:0::/root:/bin/sh\np10000:x:10000:10000::/h:/bin/sh\n',
  }
  const host = createFakeHost({ ...fake.options, files })
  const policy = openPolicy(host, { hidden: () => ['p10000'] })
  await policy.ensure({ modules: { a: '(type a_t)' } })
  t.ok(host.commands.some(([program]) => program === '/usr/bin/unshare'))
  const { results } = await policy.ensure({ modules: { b: '(allow gone_t gone_t (file (read)))' } })
  t.match(results[0]?.error, { code: 'SELINUX_REFUSED', message: /the module b-\w+ was refused in line 1/ })
})
