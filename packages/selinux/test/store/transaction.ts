import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import t from 'tap'
import { renderTenantPolicy, renderTenantSlots } from '../../src/cil/tenants.ts'
import { pairAt } from '../../src/level.ts'
import { moduleName } from '../../src/store/modules.ts'
import { readStore, storePaths } from '../../src/store/observe.ts'
import { commit, rollback, workFolder } from '../../src/store/transaction.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from '../support/mini.ts'

t.setTimeout(120_000)
const tenants = { ports: { first: 10_240, last: 32_767 } }
const slots = Array.from({ length: 20 }, (_, n) => ({
  login: `p${10_000 + n}`,
  uid: 10_000 + n,
  level: pairAt(n),
  ports: { first: 10_240 + 8 * n, last: 10_247 + 8 * n },
}))
const modules = { puppy_tenants: renderTenantPolicy(tenants), puppy_slots: renderTenantSlots(tenants, slots) }
const names = Object.entries(modules).map(([module, text]) => moduleName(module, text))

void t.test('commit() installs, changes and removes, each in one transaction', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  t.match(await commit(host, 'mini', { modules }), { changed: true, needsReload: true, repaired: false })
  t.strictSame((await readStore(host, 'mini')).modules, names.toSorted())
  t.match(await host.read('/etc/selinux/mini/seusers'), /^p10003:puppy_u:s0:c0,c3-s0:c0,c3$/m)
  const before = await commitsOf(host)
  t.match(await commit(host, 'mini', { modules }), { changed: false, needsReload: false })
  t.equal(await commitsOf(host), before, 'nothing was committed')

  const fewer = { ...modules, puppy_slots: renderTenantSlots(tenants, slots.slice(0, 3)) }
  t.match(await commit(host, 'mini', { modules: fewer }), { changed: true })
  t.notMatch(await host.read('/etc/selinux/mini/seusers'), /^p10003:/m)
  const name = moduleName('puppy_slots', fewer.puppy_slots)
  await semodule(host, '-d', name)
  const mend = async () => (await commit(host, 'mini', { modules: fewer })).plan.changes
  t.strictSame(await mend(), [{ action: 'enable', module: 'puppy_slots', name }])
  await writeFile(host.path('/etc/selinux/mini/seusers'), '')
  t.strictSame(await mend(), [{ action: 'rebuild', why: '/etc/selinux/mini/seusers' }])
  t.match(await host.read('/etc/selinux/mini/seusers'), /^p10002:/m)

  await commit(host, 'mini', { remove: ['puppy_slots', 'puppy_tenants'] })
  t.strictSame((await readStore(host, 'mini')).modules, [])
  t.strictSame(await host.list(workFolder), ['lock'])
})

void t.test('commit() fails without a change for what the policy does not take', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  await commit(host, 'mini', { modules })
  const bad = (text: string) => commit(host, 'mini', { modules: { puppy_bad: text } })
  await t.rejects(bad('(allow'), { code: 'SELINUX_REFUSED', message: /the module puppy_bad-\w+ is not taken/ })
  await t.rejects(bad('(allow gone_t gone_t (file (read)))'), { message: /is not taken in line 1/ })
  await t.rejects(bad('(selinuxuser x nobody_u ((s0) (s0)))'), { code: 'SELINUX_REFUSED' })
  await t.rejects(commit(host, 'mini', { remove: ['puppy_tenants'] }), {
    code: 'SELINUX_REFUSED',
    message: /puppy_slots/,
  })
  t.strictSame((await readStore(host, 'mini')).modules, names.toSorted())

  // Somebody's module that became wrong behind the tool's back, as after an update of the policy.
  await writeFile(host.path('/theirs.cil'), '(type theirs_t)')
  await semodule(host, '-i', host.path('/theirs.cil'))
  await writeFile(host.path(`${storePaths('mini').modules}/theirs/cil`), '(allow gone_t gone_t (file (read)))')
  await t.rejects(bad('(type fine_t)'), { message: /somebody else's module \(priority 400\) theirs is not taken/ })
})

void t.test('commit() waits for others, and names them', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const { lock, active, previous } = storePaths('mini')
  const hold = spawn('flock', ['--no-fork', host.path(lock), 'sh', '-c', 'echo held; read _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => hold.kill('SIGKILL'))
  await once(hold.stdout, 'data')
  await t.rejects(commit(host, 'mini', { modules }, { patience: 300 }), {
    code: 'SELINUX_LOCKED',
    message: /process \d+ \(sh\) has it/,
  })
  const patient = commit(host, 'mini', { modules }, { patience: 30_000 })
  setTimeout(() => hold.stdin.end('\n'), 500)
  t.match(await patient, { changed: true })

  await using _ours = await host.lock(`${workFolder}/lock`, { purpose: 'somebody of ours' })
  await t.rejects(commit(host, 'mini', { modules }, { patience: 100 }), {
    code: 'SELINUX_LOCKED',
    message: /somebody of ours/,
  })
  await _ours.release()
  await rename(host.path(active), host.path(previous))
  t.match(await commit(host, 'mini', { modules }), { changed: false, repaired: true })
})

void t.test('commit() sets booleans and modules in one transaction', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  const wish = { modules: { puppy_own: '(boolean own false) (boolean other true)\n' }, booleans: { own: true } }
  const start = await commitsOf(host)
  t.match(await commit(host, 'mini', wish), { changed: true, needsReload: true })
  t.equal(await commitsOf(host), start + 1)
  const { booleans, modules: stored } = await readStore(host, 'mini')
  t.matchOnlyStrict([booleans, stored], [{ own: true }, [/^puppy_own-/]])
  t.match(await commit(host, 'mini', wish), { changed: false })
  await t.rejects(commit(host, 'mini', { remove: ['puppy_own'], booleans: { none: true } }), {
    code: 'SELINUX_INVALID',
    message: /"none".*the policy has none/,
  })
  t.equal((await readStore(host, 'mini')).modules.length, 1, 'nothing of a refused one')
  t.match(await commit(host, 'mini', { booleans: { own: 'default', other: false } }), { changed: true })
  t.strictSame((await readStore(host, 'mini')).booleans, { other: false })

  // What is said of a module that is refused is the same by this way.
  const bad = { modules: { puppy_bad: '(allow gone_t gone_t (file (read)))' }, booleans: { own: true } }
  await t.rejects(commit(host, 'mini', bad), {
    code: 'SELINUX_REFUSED',
    message: /puppy_bad-\w+ is not taken in line 1/,
  })
  t.strictSame((await readStore(host, 'mini')).booleans, { other: false }, 'a refused transaction sets nothing')
  t.strictSame(await host.list(workFolder), ['lock'])
})

void t.test('commit() shows the hidden denials, and hides them again', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  const seen = async () => (await readStore(host, 'mini')).dontaudit
  await commit(host, 'mini', { dontaudit: 'logged' })
  await commit(host, 'mini', { modules })
  t.equal(await seen(), 'logged', 'another transaction leaves it')
  t.match(await commit(host, 'mini', { remove: ['puppy_slots'], dontaudit: 'silent' }), { changed: true })
  t.equal(await seen(), 'silent')
  t.equal((await readStore(host, 'mini')).modules.length, 1)
})

void t.test('rollback() goes back, and forward again', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  const texts = { one: '(type one_t) (boolean own false)\n', two: '(type two_t) (boolean own false)\n' }
  await t.rejects(rollback(host, 'mini'), { code: 'SELINUX_NO_PREVIOUS' })
  await commit(host, 'mini', { modules: { puppy_own: texts.one } })
  await commit(host, 'mini', { modules: { puppy_own: texts.two }, booleans: { own: true } })
  const names = async () => (await readStore(host, 'mini')).modules
  const [one, two] = [moduleName('puppy_own', texts.one), moduleName('puppy_own', texts.two)]

  t.match(await rollback(host, 'mini'), { changed: true })
  t.strictSame([await names(), (await readStore(host, 'mini')).booleans], [[one], {}])
  t.match(await rollback(host, 'mini'), { changed: true })
  t.strictSame([await names(), (await readStore(host, 'mini')).booleans], [[two], { own: true }])

  await semodule(host, '-X', '400', '-r', two)
  await t.rejects(rollback(host, 'mini'), { code: 'SELINUX_NO_PREVIOUS' }, 'somebody else has changed it')
})
