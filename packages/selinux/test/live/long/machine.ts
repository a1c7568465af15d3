import { createHost, inOurDomain } from '@puppy/host'
import t from 'tap'
import { openPolicy, readBooleans } from '../../../src/index.ts'
import { createDisk } from '../../support/disk.ts'
import { machineChecks } from '../../support/facility.ts'
import { noLibrary } from '../../support/mini.ts'
import { whyNot } from '../../support/tenants.ts'

t.setTimeout(1_800_000)
const host = createHost()
const skip = (await whyNot(host)) || noLibrary
const boolean = 'httpd_can_network_connect'
const store = '/var/lib/selinux/default'
const run = async (program: string, ...args: readonly string[]) => {
  const command = await inOurDomain(host, [host.program(program) ?? program, ...args])
  return (await host.run(command, { touches: 'machine', timeout: 120_000 })).stdout
}
/** Returns how many times a policy was loaded since the boot. The kernel returns it with every decision. */
const loads = async () =>
  (await host.ask('/sys/fs/selinux/access', 'system_u:system_r:init_t:s0 system_u:system_r:init_t:s0 1'))?.split(' ')[4]
const commits = async () => Number((await host.read(`${store}/active/commit_num`))?.replaceAll('\0', ''))

void t.test('openPolicy() installs and reverts modules and booleans of the machine', { skip }, async (t) => {
  const policy = openPolicy(host)
  t.teardown(() => policy.ensure({ remove: ['sxl_machine'], booleans: { [boolean]: 'default' } }))
  const now = async () => (await readBooleans(host, [boolean]))[boolean]
  const [before, committed] = [await policy.read(), await commits()]
  t.equal(await now(), false)
  const spec = { modules: { sxl_machine: '(type sxl_machine_t)\n' }, booleans: { [boolean]: true } }
  const { changed, needsReload, results } = await policy.ensure(spec)
  t.strictSame([changed, needsReload], [true, false])
  t.strictSame(results, [
    { target: 'module sxl_machine', changed: true },
    { target: `boolean ${boolean}`, changed: true },
  ])
  t.equal(await commits(), committed + 1, 'one transaction')
  t.equal(await now(), true, 'the kernel has it')
  t.match(await run('getsebool', boolean), `${boolean} --> on`)
  t.match(await run('semanage', 'boolean', '-l', '-C'), new RegExp(`^${boolean} +\\(on +, +on\\)`, 'm'))
  t.equal((await policy.ensure(spec)).changed, false)

  await run('setsebool', `${boolean}=0`)
  t.strictSame(
    policy.plan(spec, await policy.read(spec)).changes.map(({ action, target }) => `${action} ${target}`),
    [`load boolean ${boolean}`],
    'another process changed it until the next boot',
  )
  t.equal((await policy.ensure(spec)).changed, true)
  t.strictSame([await now(), await commits()], [true, committed + 1], 'the value is set again without a transaction')

  const unknown = await policy.ensure({ booleans: { sxl_unknown: true } })
  t.strictSame([unknown.changed, unknown.results[0]?.error?.code], [false, 'SELINUX_INVALID'])
  t.equal((await policy.rollback()).changed, true)
  const after = await policy.read()
  t.strictSame([after.modules, after.booleans, await now()], [before.modules, before.booleans, false])
  const refuse = { verify: async () => 'no login works' }
  await t.rejects(policy.ensure(spec, refuse), { code: 'SELINUX_ROLLED_BACK', message: /no login works/ })
  t.strictSame([(await policy.read()).modules, await now()], [before.modules, false])
})

void t.test('openPolicy() of the machine passes the facility suite', { skip }, async (t) => {
  for (const { name, run: check } of machineChecks(host, boolean)) await t.test(name, check)
})

void t.test('the store of the machine is unchanged when its disk becomes full', { skip }, async (t) => {
  const disk = await createDisk(t, host, { size: '96M', at: '/var/lib/selinux', from: '/var/lib/selinux' })
  await run('restorecon', '-R', '/var/lib/selinux')
  const policy = openPolicy(host)
  const spec = { modules: { sxl_full: '(type sxl_full_t)\n' } }
  const [before, loaded] = [await policy.read(), await loads()]
  await disk.leave(5_000_000)
  await t.rejects(policy.ensure(spec), { code: 'SELINUX_NO_SPACE', message: /bytes are free/ })
  await disk.empty()
  t.match(await disk.fillOnce(`${store}/tmp`, policy.ensure(spec)), {
    code: 'SELINUX_NO_SPACE',
    message: /became full/,
  })
  await disk.empty()
  t.strictSame([await policy.read(), await loads()], [before, loaded], 'the store and the kernel are unchanged')
  t.match(await run('semodule', '-l'), /^base$/m, 'the store is valid')
})
