import { createHost, inOurDomain } from '@puppy/host'
import t from 'tap'
import { openPolicy, readBooleans } from '../../../src/index.ts'
import { createDisk } from '../../support/disk.ts'
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
/** How often a policy was loaded since the boot: the kernel says it beside every decision. */
const loads = async () =>
  (await host.ask('/sys/fs/selinux/access', 'system_u:system_r:init_t:s0 system_u:system_r:init_t:s0 1'))?.split(' ')[4]
const commits = async () => Number((await host.read(`${store}/active/commit_num`))?.replaceAll('\0', ''))

void t.test('the machine’s own policy: modules and booleans, and back', { skip }, async (t) => {
  const policy = openPolicy(host)
  t.teardown(() => policy.ensure({ remove: ['sxl_machine'], booleans: { [boolean]: 'default' } }))
  const now = async () => (await readBooleans(host, [boolean]))[boolean]
  const [before, committed] = [await policy.read(), await commits()]
  t.equal(await now(), false)
  const wish = { modules: { sxl_machine: '(type sxl_machine_t)\n' }, booleans: { [boolean]: true } }
  t.match(await policy.ensure(wish), { changed: true, needsReload: false })
  t.equal(await commits(), committed + 1, 'one transaction')
  t.equal(await now(), true, 'the kernel has it')
  t.match(await run('getsebool', boolean), `${boolean} --> on`)
  t.match(await run('semanage', 'boolean', '-l', '-C'), new RegExp(`^${boolean} +\\(on +, +on\\)`, 'm'))
  t.match(await policy.ensure(wish), { changed: false })

  await run('setsebool', `${boolean}=0`)
  t.strictSame(
    (await policy.plan(wish)).changes,
    [{ action: 'load', boolean, value: true }],
    'somebody’s until the next boot',
  )
  t.match(await policy.ensure(wish), { changed: true })
  t.strictSame([await now(), await commits()], [true, committed + 1], 'put right without a transaction')

  await t.rejects(policy.ensure({ booleans: { sxl_there_is_none: true } }), { code: 'SELINUX_INVALID' })
  t.match(await policy.rollback(), { changed: true })
  const after = await policy.read()
  t.strictSame([after.modules, after.booleans, await now()], [before.modules, before.booleans, false])
  const refuse = { verify: async () => 'nobody can log in' }
  await t.rejects(policy.ensure(wish, refuse), { code: 'SELINUX_ROLLED_BACK', message: /nobody can log in/ })
  t.strictSame([(await policy.read()).modules, await now()], [before.modules, false])
})

void t.test('the machine’s own store on a disk that becomes full', { skip }, async (t) => {
  const disk = await createDisk(t, host, { size: '96M', at: '/var/lib/selinux', from: '/var/lib/selinux' })
  await run('restorecon', '-R', '/var/lib/selinux')
  const policy = openPolicy(host)
  const wish = { modules: { sxl_full: '(type sxl_full_t)\n' } }
  const [before, loaded] = [await policy.read(), await loads()]
  await disk.leave(5_000_000)
  await t.rejects(policy.ensure(wish), { code: 'SELINUX_NO_SPACE', message: /bytes are free/ })
  await disk.empty()
  t.match(await disk.fillOnce(`${store}/tmp`, policy.ensure(wish)), {
    code: 'SELINUX_NO_SPACE',
    message: /became full/,
  })
  await disk.empty()
  t.strictSame([await policy.read(), await loads()], [before, loaded], 'the store and the kernel have what they had')
  t.match(await run('semodule', '-l'), /^base$/m, 'the store is valid')
})
