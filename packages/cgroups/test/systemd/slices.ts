import { matchWhole } from '@puppy/host/testing'
import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { readLimits } from '../../src/cgroupfs/read-limits.ts'
import { dropInPath, notePath, oldLinksPath } from '../../src/systemd/paths.ts'
import { openSlices } from '../../src/systemd/slices.ts'
import { slicePath } from '../../src/unit.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 } }
void t.test('ensure() reloads once for any number of slices, and not when nothing differs', async (t) => {
  const { reloads, slices } = machine()
  const spec = Array.from({ length: 50 }, (_, n) => ({ slice: `user-${n}.slice`, limits }))
  t.equal((await slices.ensure(spec)).changes.length, 50)
  t.equal(reloads(), 1)
  const { changed, changes } = await slices.ensure(spec)
  t.strictSame({ changed, changes }, { changed: false, changes: [] })
  t.equal(reloads(), 1)
  await slices.remove(spec.map((one) => one.slice))
  t.equal(reloads(), 2)
})

void t.test('read() reads the version of systemd once, and again after probe()', async (t) => {
  const { host, slices } = machine()
  const asked = () => host.commands.length
  t.strictSame((await slices.read([])).systemd, { version: 257, bpf: true })
  await slices.read([])
  t.equal(asked(), 1)
  t.equal((await slices.probe()).version, '257')
  await slices.read([])
  t.equal(asked(), 2)
})

void t.test('ensure() finishes the work of a run that was killed', async (t) => {
  const { host, reloads, login, cgroupfs, slices } = machine()
  await slices.ensure([{ slice, limits }])
  await login(slice, 9)
  const portRules = { allow: [80] }
  await host.makeFolder('/run/puppy-cgroups')
  await host.replace(notePath(), `${slice}\n`)
  const before = reloads()
  matchWhole(t, (await slices.ensure([{ slice, limits }])).results, [{ status: 'applied' }])
  t.equal(reloads(), before + 1)
  t.equal(await host.read(notePath()), undefined)
  matchWhole(t, (await slices.ensure([{ slice, limits, portRules }])).results, [{ portRules: 'set' }])
  t.equal(readLimits(cgroupfs, slicePath(slice)).pids?.max, 5)
})

void t.test('ensure() lowers memory.max without killing a process, or refuses and changes nothing', async (t) => {
  const { host, login, use, cgroupfs, slices } = machine()
  const memory = (max: number) => [
    { slice, limits: { memory: { max } } },
    { slice: 'user-6.slice', limits },
  ]
  await slices.ensure(memory(1_048_576))
  await login(slice, 9)
  use('user.slice/user-5.slice', 500_000, 200_000)
  matchWhole(t, (await slices.ensure(memory(400_000), { reclaimTimeout: 30 })).results, [
    { status: 'applied' },
    { status: 'armed' },
  ])
  t.match(readLimits(cgroupfs, slicePath(slice)).memory, { max: 397_312, high: 'max' })
  const text = await host.read(dropInPath(slice))
  const refused = await slices.ensure(memory(100_000), { reclaimTimeout: 30 })
  matchWhole(t, refused.results, [
    { status: 'refused', changed: false, error: { code: 'CGROUP_REFUSED', message: /in use/ } },
    { status: 'armed' },
  ])
  t.match(refused.results[0]?.error, { code: 'CGROUP_REFUSED', message: /in use/ })
  t.equal(await host.read(dropInPath(slice)), text)
  t.match(readLimits(cgroupfs, slicePath(slice)).memory, { max: 397_312, high: 'max' })
  t.equal(cgroupfs.read(slicePath(slice), 'cgroup.events'), 'populated 1\nfrozen 0\n')
})

void t.test('ensure() sets port rules when systemd has BPF', async (t) => {
  const portRules = { allow: [{ first: 20_001, last: 20_004 }] }
  const able = machine()
  matchWhole(t, (await able.slices.ensure([{ slice, limits, portRules }])).results, [{ portRules: 'set' }])
  t.match(await able.host.read(dropInPath(slice)), /SocketBindAllow=20001-20004/)
  const unable = machine({ version: 252, bpf: false })
  matchWhole(t, (await unable.slices.ensure([{ slice, limits, portRules }])).results, [
    { status: 'armed', portRules: 'unsupported' },
  ])
  t.notMatch(await unable.host.read(dropInPath(slice)), /SocketBind/)
  const wrong = await able.slices.ensure([{ slice, limits, portRules: { allow: [0] } }])
  matchWhole(t, wrong.results, [{ status: 'refused', error: { code: 'CGROUP_INVALID' } }])
})

void t.test('ensure() reports the state of the port rules in the kernel', async (t) => {
  const { host, login, reloads, setProperty, slices } = machine()
  const spec = (first: number) => [{ slice, limits, portRules: { allow: [{ first, last: first + 3 }] } }]
  const ensure = async (first: number) => {
    const { changes, results } = await slices.ensure(spec(first))
    return { actions: changes.map(({ action, target }) => `${action} ${target}`), result: results[0] }
  }
  t.match(await ensure(20_001), { result: { status: 'armed', portRules: 'set' } })
  await login(slice, 9)
  await login('user-6.slice', 10)
  const unchanged = await ensure(20_001)
  t.strictSame(unchanged.actions, [])
  t.match(unchanged.result, { status: 'applied', portRules: 'set' })
  t.match(await ensure(20_005), { result: { status: 'applied', portRules: 'set' } }, 'systemd detaches the old rules')

  await host.run(['/usr/bin/systemctl', 'daemon-reload'], { touches: 'machine' })
  t.strictSame(await host.list('/proc/1/fdinfo'), [], 'systemd has detached all rules')
  const before = reloads()
  const repaired = await ensure(20_005)
  t.strictSame(repaired.actions, [`repair ${slice}`])
  t.equal(repaired.result?.portRules, 'set')
  t.equal(reloads(), before, 'repairs them without a reload')
  await slices.ensure([{ slice: 'user-6.slice', limits }])
  t.strictSame((await ensure(20_005)).actions, [], 'they stay attached when another slice is limited')

  await setProperty(slice, 'CPUWeight=100')
  t.match(
    await ensure(20_005),
    { result: { status: 'applied', portRules: 'set' } },
    'the same rules are attached twice',
  )
  const stale = { status: 'refused', portRules: 'stale', error: { message: /daemon-reexec/ } }
  t.match((await ensure(20_009)).result, stale, 'the untracked rules are attached beside the new rules')
  const again = await ensure(20_009)
  t.strictSame(again.actions, [])
  t.match(again.result, stale, 'they stay attached')
  for (const name of await host.list('/proc/1/fdinfo')) await host.remove(`/proc/1/fdinfo/${name}`)
  t.match((await ensure(20_009)).result, { status: 'applied', portRules: 'set' }, 'after daemon-reexec')
  await ensure(20_013)
  t.equal(await host.status(oldLinksPath()), undefined, 'the next change deletes the record')
})

void t.test('ensure() reports port rules that are missing in the kernel', async (t) => {
  const { login, slices } = machine({ losesPortRules: true })
  const spec = [{ slice, limits, portRules: { allow: [20_001] } }]
  await slices.ensure(spec)
  await login(slice, 9)
  matchWhole(t, (await slices.ensure(spec)).results, [
    {
      status: 'refused',
      portRules: 'missing',
      error: { code: 'CGROUP_REFUSED', message: /the kernel has none/ },
    },
  ])
})

void t.test('probe(), ensure() and remove() report why slices cannot be limited', async (t) => {
  const nothing = openSlices(createFakeHost())
  await t.rejects(nothing.ensure([]), { code: 'CGROUP_UNSUPPORTED' })
  t.match(await nothing.probe(), { works: false, error: { code: 'CGROUP_UNSUPPORTED' } })
  const old = machine({ version: 249 })
  await t.rejects(old.slices.ensure([]), { code: 'CGROUP_UNSUPPORTED', message: /systemd 249/ })
  t.match(await old.slices.probe(), { works: false, version: '249', error: { message: /systemd 252 or later/ } })
  const { slices } = machine()
  const twice = [
    { slice, limits },
    { slice, limits },
  ]
  const results = (await slices.ensure(twice)).results.map(({ target, status, error }) => [target, status, error?.code])
  t.strictSame(results, [
    [slice, 'refused', 'CGROUP_INVALID'],
    [slice, 'refused', 'CGROUP_INVALID'],
  ])
  await t.rejects(slices.remove(['../x.slice']), { code: 'CGROUP_INVALID' })
})

void t.test(
  'apply() refuses a slice whose files changed after it was observed, and ensure() plans again',
  async (t) => {
    const { host, slices } = machine()
    const spec = [slice, 'user-6.slice', 'user-7.slice'].map((name) => ({ slice: name, limits }))
    await slices.ensure([{ slice: 'user-7.slice', limits: { pids: { max: 9 } } }])
    const control = '/etc/systemd/system.control/user-6.slice.d'
    const set = (value: number) => host.replace(`${control}/50-TasksMax.conf`, `[Slice]\nTasksMax=${value}\n`)
    await host.makeFolder(control)
    await set(90)
    const changeSet = slices.plan(spec, await slices.read(spec))
    await set(91)
    await host.makeFolder(`/etc/systemd/system/${slice}.d`)
    await host.replace(dropInPath(slice), 'another process was faster')
    const applied = await slices.apply(changeSet)
    t.strictSame(applied.changes, changeSet.changes)
    t.strictSame(
      applied.results.map(({ changed, error }) => [changed, error?.code]),
      [
        [false, 'CGROUP_CONFLICT'],
        [false, 'CGROUP_CONFLICT'],
        [true, undefined],
      ],
    )
    t.equal(await host.read(dropInPath(slice)), 'another process was faster')
    t.match(await host.read(`${control}/50-TasksMax.conf`), /=91/)
    t.equal(await host.read(notePath()), undefined)
    t.ok((await slices.ensure(spec)).results.every(({ error }) => error === undefined))
  },
)

void t.test('ensure() limits a slice whose first session starts while it is applied', async (t) => {
  const { host, login, cgroupfs, options } = machine()
  let began = false
  const slices = openSlices(
    {
      ...host,
      replaceMany: async (files) => {
        // The session starts with the previous limits, and systemd does not apply the new ones by itself.
        if (!began) await login(slice, 9)
        began = true
        return host.replaceMany(files)
      },
    },
    options,
  )
  const { changes, results } = await slices.ensure([{ slice, limits }])
  matchWhole(t, results, [{ status: 'applied', changed: true, error: undefined }])
  t.strictSame(
    changes.map(({ action }) => action),
    ['add', 'repair'],
  )
  t.equal(cgroupfs.read(slicePath(slice), 'pids.max'), '5\n')
})

void t.test('ensure() restores memory.high of a slice that could not be limited', async (t) => {
  const { host, login, use, cgroupfs, slices } = machine()
  await slices.ensure([{ slice, limits: { memory: { max: 1_048_576 } } }])
  await login(slice, 9)
  use('user.slice/user-5.slice', 500_000)
  await host.remove(dropInPath(slice))
  await host.remove(`/etc/systemd/system/${slice}.d`)
  await host.replace(`/etc/systemd/system/${slice}.d`, 'a file stands where its folder should')
  const { results } = await slices.ensure([{ slice, limits: { memory: { max: 400_000 } } }])
  matchWhole(t, results, [{ status: 'refused', error: { code: 'CGROUP_REFUSED' } }])
  t.match(readLimits(cgroupfs, slicePath(slice)).memory, { max: 1_048_576, high: 'max' })
})

void t.test('ensure() restores memory.high that a killed run lowered', async (t) => {
  const { host, login, use, cgroupfs, slices } = machine()
  const spec = (max: number) => [{ slice, limits: { memory: { max } } }]
  await slices.ensure(spec(1_048_576))
  await login(slice, 9)
  use('user.slice/user-5.slice', 500_000)
  let killed = false
  const dying = openSlices(host, {
    cgroupfs: {
      ...cgroupfs,
      write: async (path, file, value) => {
        if (killed) throw new Error('killed')
        killed = file === 'memory.high'
        return cgroupfs.write(path, file, value)
      },
    },
  })
  await t.rejects(dying.ensure(spec(400_000)), { message: 'killed' })
  t.equal(readLimits(cgroupfs, slicePath(slice)).memory?.high, 393_216)
  matchWhole(t, (await slices.ensure(spec(400_000))).results, [{ status: 'applied' }])
  t.match(readLimits(cgroupfs, slicePath(slice)).memory, { max: 397_312, high: 'max' })
})
