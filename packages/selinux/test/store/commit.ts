import { spawn } from 'node:child_process'
import { rename, writeFile } from 'node:fs/promises'
import type { Host } from '@puppy/host'
import { firstOutput } from '@puppy/host/testing'
import t from 'tap'
import { renderTenantPolicy, renderTenantSlots } from '../../src/cil/index.ts'
import { pairAt } from '../../src/level.ts'
import type { AppliedPolicy } from '../../src/store/change.ts'
import { commit, rollback, unchanged, workFolder, type CommitOptions } from '../../src/store/commit.ts'
import { moduleName, moduleOf } from '../../src/store/modules.ts'
import { modulesFolder, storePaths } from '../../src/store/paths.ts'
import { planPolicy } from '../../src/store/plan.ts'
import { readStore } from '../../src/store/read-store.ts'
import type { PolicySpec } from '../../src/store/spec.ts'
import { commitsOf, createMiniStore, noLibrary, noStore, semodule } from '../support/mini.ts'
import { observedStore } from '../support/store.ts'

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

/** Reads, plans and commits. @throws the error of the first item that failed */
async function make(host: Host, spec: PolicySpec, options?: CommitOptions): Promise<AppliedPolicy> {
  const [outcome] = await commit(host, [planPolicy(spec, await readStore(host, 'mini'))], options)
  if (outcome?.status !== 'fulfilled') throw outcome?.reason
  for (const { error } of outcome.value.results) if (error !== undefined) throw error
  return outcome.value
}
const actions = ({ changes }: AppliedPolicy) => changes.map(({ action }) => action)

void t.test('commit() installs, changes and removes, each in one transaction', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const { changed, needsReload, changes } = await make(host, { modules })
  t.strictSame([changed, needsReload, changes.length], [true, true, 2])
  t.strictSame((await readStore(host, 'mini')).modules, names.toSorted())
  t.match(await host.read('/etc/selinux/mini/seusers'), /^p10003:puppy_u:s0:c0,c3-s0:c0,c3$/m)
  const before = await commitsOf(host)
  t.equal((await make(host, { modules })).changed, false)
  t.equal(await commitsOf(host), before, 'nothing was committed')

  const fewer = { ...modules, puppy_slots: renderTenantSlots(tenants, slots.slice(0, 3)) }
  t.strictSame(actions(await make(host, { modules: fewer })), ['remove', 'install'])
  t.notMatch(await host.read('/etc/selinux/mini/seusers'), /^p10003:/m)
  await semodule(host, '-d', moduleName('puppy_slots', fewer.puppy_slots))
  t.strictSame(actions(await make(host, { modules: fewer })), ['enable'])
  await writeFile(host.path('/etc/selinux/mini/seusers'), '')
  t.strictSame(actions(await make(host, { modules: fewer })), ['rebuild'])
  t.match(await host.read('/etc/selinux/mini/seusers'), /^p10002:/m)

  await make(host, { remove: ['puppy_slots', 'puppy_tenants'] })
  t.strictSame((await readStore(host, 'mini')).modules, [])
  t.strictSame(await host.list(workFolder), ['lock'])
})

void t.test('commit() changes nothing when the policy refuses a module', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  await make(host, { modules })
  const bad = (text: string) => make(host, { modules: { puppy_bad: text } })
  await t.rejects(bad('(allow'), { code: 'SELINUX_REFUSED', message: /the module puppy_bad-\w+ was refused/ })
  await t.rejects(bad('(allow gone_t gone_t (file (read)))'), { message: /was refused in line 1/ })
  await t.rejects(bad('(selinuxuser x nobody_u ((s0) (s0)))'), { code: 'SELINUX_REFUSED' })
  await t.rejects(make(host, { remove: ['puppy_tenants'] }), {
    code: 'SELINUX_REFUSED',
    message: /puppy_slots/,
  })
  t.strictSame((await readStore(host, 'mini')).modules, names.toSorted())

  // A module of another program that becomes invalid without the tool, for example after an update of the policy.
  await writeFile(host.path('/theirs.cil'), '(type theirs_t)')
  await semodule(host, '-i', host.path('/theirs.cil'))
  const theirs = `${modulesFolder(storePaths('mini').active)}/theirs/cil`
  await writeFile(host.path(theirs), '(allow gone_t gone_t (file (read)))')
  await t.rejects(bad('(type fine_t)'), { message: /another program’s module \(priority 400\) theirs was refused/ })
})

void t.test('commit() leaves out a refused module and the modules that depend on it', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const before = await commitsOf(host)
  const spec = {
    modules: {
      base: '(type base_t) (allow gone_t gone_t (file (read)))\n',
      upon: '(allow base_t base_t (file (read)))\n',
      good: '(type good_t)\n',
    },
  }
  const [outcome] = await commit(host, [planPolicy(spec, await readStore(host, 'mini'))])
  const applied = outcome?.status === 'fulfilled' ? outcome.value : undefined
  t.strictSame(
    applied?.results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['module base', false, 'SELINUX_REFUSED'],
      ['module upon', false, 'SELINUX_REFUSED'],
      ['module good', true, undefined],
    ],
  )
  t.strictSame((await readStore(host, 'mini')).modules.map(moduleOf), ['good'])
  t.equal(await commitsOf(host), before + 1)
})

void t.test(
  'commit() rejects a change set that no longer matches the store, and commits the others',
  { skip: noStore },
  async (t) => {
    const host = await createMiniStore(t)
    const planned = async (spec: PolicySpec) => planPolicy(spec, await readStore(host, 'mini'))
    const stale = await planned({ modules: { a: '(type a_t)\n' } })
    await make(host, { modules: { a: '(type other_t)\n' } })
    const outcomes = await commit(host, [stale, await planned({ modules: { b: '(type b_t)\n' } })])
    t.strictSame(
      outcomes.map((one) => (one.status === 'fulfilled' ? 'applied' : (one.reason as { code: string }).code)),
      ['SELINUX_CHANGED', 'applied'],
    )
    t.strictSame((await readStore(host, 'mini')).modules, [
      moduleName('a', '(type other_t)\n'),
      moduleName('b', '(type b_t)\n'),
    ])
  },
)

void t.test('commit() repairs and rebuilds once for all change sets', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const { active, previous } = storePaths('mini')
  await make(host, { modules: { a: '(type a_t)\n' } })
  await rename(host.path(active), host.path(previous))
  await writeFile(host.path('/etc/selinux/mini/seusers'), '')
  const planned = async (spec: PolicySpec) => planPolicy(spec, await readStore(host, 'mini'))
  const [one, other, late] = await Promise.all([
    planned({ modules: { b: '(type b_t)\n' } }),
    planned({ modules: { c: '(type c_t)\n' } }),
    planned({}),
  ])
  const changed = async (...changeSets: readonly [typeof one, ...(typeof one)[]]) =>
    (await commit(host, changeSets)).map((outcome) => outcome.status === 'fulfilled' && outcome.value.changed)
  t.strictSame(await changed(one, late), [true, true])
  t.strictSame(await changed(other), [true], 'a repair does not make a change set stale')
  t.strictSame(await changed(late), [false])
  t.strictSame((await readStore(host, 'mini')).modules.map(moduleOf), ['a', 'b', 'c'])
  await writeFile(host.path('/etc/selinux/mini/seusers'), '')
  const [outcome] = await commit(host, [await planned({ modules: { d: '(type d_t)\n' } })])
  t.equal(outcome?.status, 'fulfilled')
  await writeFile(host.path('/etc/selinux/mini/seusers'), '')
  const unaware = planPolicy({ remove: ['d'] }, { ...(await readStore(host, 'mini')), empty: [] })
  const [refused] = await commit(host, [unaware])
  t.match(refused, { status: 'rejected', reason: { code: 'SELINUX_CHANGED' } })
})

void t.test('commit() waits for other processes and names them', { skip: noStore }, async (t) => {
  const host = await createMiniStore(t)
  const { lock, active, previous } = storePaths('mini')
  const hold = spawn('flock', ['--no-fork', host.path(lock), 'sh', '-c', 'echo held; read _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => hold.kill('SIGKILL'))
  await firstOutput(hold)
  await t.rejects(make(host, { modules }, { patience: 300 }), {
    code: 'SELINUX_LOCKED',
    message: /process \d+ \(sh\) holds the store/,
  })
  const patient = make(host, { modules }, { patience: 30_000 })
  setTimeout(() => hold.stdin.end('\n'), 500)
  t.equal((await patient).changed, true)

  await using _ours = await host.lock(`${workFolder}/lock`, { purpose: 'another transaction' })
  await t.rejects(make(host, { remove: ['puppy_slots'] }, { patience: 100 }), {
    code: 'SELINUX_LOCKED',
    message: /another transaction/,
  })
  await _ours.release()
  await rename(host.path(active), host.path(previous))
  t.strictSame(actions(await make(host, { modules })), ['repair'])
  t.equal((await readStore(host, 'mini')).interrupted, false)
  await rename(host.path(active), host.path(previous))
  t.strictSame(actions(await make(host, { remove: ['puppy_slots'] })), ['repair', 'remove'])
  t.strictSame((await readStore(host, 'mini')).modules.map(moduleOf), ['puppy_tenants'])
})

void t.test('commit() sets booleans and modules in one transaction', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  const spec = { modules: { puppy_own: '(boolean own false) (boolean other true)\n' }, booleans: { own: true } }
  const start = await commitsOf(host)
  const { changed, needsReload } = await make(host, spec)
  t.strictSame([changed, needsReload], [true, true])
  t.equal(await commitsOf(host), start + 1)
  const read = await readStore(host, 'mini')
  t.strictSame([read.booleans, read.modules.map(moduleOf)], [{ own: true }, ['puppy_own']])
  t.equal((await make(host, spec)).changed, false)
  await t.rejects(make(host, { booleans: { none: true } }), {
    code: 'SELINUX_INVALID',
    message: /"none".*the policy has no boolean/,
  })
  await make(host, { booleans: { own: 'default', other: false } })
  t.strictSame((await readStore(host, 'mini')).booleans, { other: false })

  // A refused module is reported in the same way by libsemanage.
  const bad = { modules: { puppy_bad: '(allow gone_t gone_t (file (read)))' }, booleans: { own: true, none: true } }
  const [outcome] = await commit(host, [planPolicy(bad, await readStore(host, 'mini'))])
  const results = outcome?.status === 'fulfilled' ? outcome.value.results : []
  t.strictSame(
    results.map(({ target, changed, error }) => [target, changed, error?.code]),
    [
      ['module puppy_bad', false, 'SELINUX_REFUSED'],
      ['boolean own', true, undefined],
      ['boolean none', false, 'SELINUX_INVALID'],
    ],
  )
  t.match(results[0]?.error?.message, /puppy_bad-\w+ was refused in line 1/)
  t.strictSame((await readStore(host, 'mini')).booleans, { other: false, own: true })
  t.strictSame(await host.list(workFolder), ['lock'])
})

void t.test('commit() logs the hidden denials, and hides them again', { skip: noStore || noLibrary }, async (t) => {
  const host = await createMiniStore(t)
  const dontaudit = async () => (await readStore(host, 'mini')).dontaudit
  await make(host, { dontaudit: 'logged' })
  await make(host, { modules })
  t.equal(await dontaudit(), 'logged', 'another transaction does not change it')
  t.equal((await make(host, { remove: ['puppy_slots'], dontaudit: 'silent' })).changed, true)
  t.equal(await dontaudit(), 'silent')
  t.equal((await readStore(host, 'mini')).modules.length, 1)
})

void t.test(
  'rollback() restores the previous state, and then the newer one',
  { skip: noStore || noLibrary },
  async (t) => {
    const host = await createMiniStore(t)
    const texts = { one: '(type one_t) (boolean own false)\n', two: '(type two_t) (boolean own false)\n' }
    await t.rejects(rollback(host, 'mini'), { code: 'SELINUX_NO_PREVIOUS' })
    await make(host, { modules: { puppy_own: texts.one } })
    await make(host, { modules: { puppy_own: texts.two }, booleans: { own: true } })
    const state = async () => {
      const { modules: there, booleans } = await readStore(host, 'mini')
      return [there, booleans]
    }
    const [one, two] = [moduleName('puppy_own', texts.one), moduleName('puppy_own', texts.two)]

    t.equal((await rollback(host, 'mini')).changed, true)
    t.strictSame(await state(), [[one], {}])
    t.equal((await rollback(host, 'mini')).changed, true)
    t.strictSame(await state(), [[two], { own: true }])

    await semodule(host, '-X', '400', '-r', two)
    await t.rejects(rollback(host, 'mini'), { code: 'SELINUX_NO_PREVIOUS' }, 'another process has changed it')
  },
)

void t.test('unchanged() returns a result for each item', async (t) => {
  const spec = { modules: { a: 'text', 'a-b': '' }, remove: ['c'] }
  const { changed, changes, results, needsReload } = unchanged(
    planPolicy(spec, observedStore([moduleName('a', 'text')])),
  )
  t.strictSame([changed, changes, needsReload], [false, [], false])
  t.strictSame(
    results.map((result) => [result.target, result.changed, result.error?.code]),
    [
      ['module a', false, undefined],
      ['module a-b', false, 'SELINUX_INVALID'],
      ['module c', false, undefined],
    ],
  )
})
