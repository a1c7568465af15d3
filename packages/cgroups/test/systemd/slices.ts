import t from 'tap'
import { createFakeHost } from '@puppy/host/fake'
import { readLimits } from '../../src/direct/apply.ts'
import { CgroupError } from '../../src/errors.ts'
import { dropInPath, notePath } from '../../src/systemd/observe.ts'
import type { SliceResult } from '../../src/systemd/result.ts'
import { ensureSlices, removeSlices } from '../../src/systemd/slices.ts'
import { slicePath } from '../../src/unit.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'
const limits = { pids: { max: 5 } }
const told = (status: SliceResult['status'], more: Partial<SliceResult> = {}): SliceResult => ({
  slice,
  status,
  changed: false,
  differences: [],
  foreign: [],
  ...more,
})

void t.test('ensureSlices() reloads once for however many, and not when nothing differs', async (t) => {
  const { host, reloads, options } = machine()
  const wanted = Array.from({ length: 50 }, (_, n) => ({ slice: `user-${n}.slice`, limits }))
  t.equal((await ensureSlices(host, wanted, options)).changes.length, 50)
  t.equal(reloads(), 1)
  t.strictSame(await ensureSlices(host, wanted, options), {
    changed: false,
    changes: [],
    results: wanted.map((one) => told('armed', { slice: one.slice })),
  })
  t.equal(reloads(), 1)
  await removeSlices(
    host,
    wanted.map((one) => one.slice),
    options,
  )
  t.equal(reloads(), 2)
})

void t.test('ensureSlices() finishes what a kill left', async (t) => {
  const { host, reloads, login, kernel, options } = machine()
  await ensureSlices(host, [{ slice, limits }], options)
  await login(slice, 9)
  const bind = { allow: [80] }
  const killed = createFakeHost({ programs: {} })
  t.equal(await killed.read('/x'), undefined)
  await host.makeFolder('/run/puppy-cgroups')
  await host.replace(notePath(), `${slice}\n`)
  const before = reloads()
  t.strictSame((await ensureSlices(host, [{ slice, limits }], options)).results, [told('applied', { changed: true })])
  t.equal(reloads(), before + 1)
  t.equal(await host.read(notePath()), undefined)
  t.strictSame((await ensureSlices(host, [{ slice, limits, bind }], options)).results, [
    told('applied', { changed: true, bind: 'set' }),
  ])
  t.equal(readLimits(kernel, slicePath(slice)).pids?.max, 5)
})

void t.test('ensureSlices() shrinks without a kill, or refuses and changes nothing', async (t) => {
  const { host, login, use, kernel, options } = machine()
  const memory = (max: number) => [
    { slice, limits: { memory: { max } } },
    { slice: 'user-6.slice', limits },
  ]
  await ensureSlices(host, memory(1_048_576), options)
  await login(slice, 9)
  use('user.slice/user-5.slice', 500_000, 200_000)
  t.strictSame((await ensureSlices(host, memory(400_000), { ...options, timeout: 30 })).results, [
    told('applied', { changed: true }),
    told('armed', { slice: 'user-6.slice' }),
  ])
  t.match(readLimits(kernel, slicePath(slice)).memory, { max: 397_312, high: 'max' })
  const text = await host.read(dropInPath(slice))
  const refused = await ensureSlices(host, memory(100_000), { ...options, timeout: 30 })
  t.matchOnlyStrict(refused.results, [
    { ...told('refused'), error: CgroupError },
    told('armed', { slice: 'user-6.slice' }),
  ])
  t.match(refused.results[0]?.error, { code: 'CGROUP_REFUSED', message: /in use/ })
  t.equal(await host.read(dropInPath(slice)), text)
  t.match(readLimits(kernel, slicePath(slice)).memory, { max: 397_312, high: 'max' })
  t.equal(kernel.read(slicePath(slice), 'cgroup.events'), 'populated 1\nfrozen 0\n')
})

void t.test('ensureSlices() builds walls where systemd can', async (t) => {
  const bind = { allow: [{ first: 20_001, last: 20_004 }] }
  const able = machine()
  t.strictSame((await ensureSlices(able.host, [{ slice, limits, bind }], able.options)).results, [
    told('armed', { changed: true, bind: 'set' }),
  ])
  t.match(await able.host.read(dropInPath(slice)), /SocketBindAllow=20001-20004/)
  const unable = machine({ version: 252, bpf: false })
  t.strictSame((await ensureSlices(unable.host, [{ slice, limits, bind }], unable.options)).results, [
    told('armed', { changed: true, bind: 'absent' }),
  ])
  t.notMatch(await unable.host.read(dropInPath(slice)), /SocketBind/)
  const wrong = await ensureSlices(able.host, [{ slice, limits, bind: { allow: [0] } }], able.options)
  t.matchOnlyStrict(wrong.results, [{ ...told('refused'), error: CgroupError }])
  t.equal(wrong.results[0]?.error?.code, 'CGROUP_INVALID')
})

void t.test('ensureSlices() tells of walls what the kernel has', async (t) => {
  const { host, login, reloads, setProperty, options } = machine()
  const wanted = (first: number) => [{ slice, limits, bind: { allow: [{ first, last: first + 3 }] } }]
  const ensure = async (first: number) => {
    const { changes, results } = await ensureSlices(host, wanted(first), options)
    return { actions: changes.map(({ action, target }) => `${action} ${target}`), result: results[0] }
  }
  t.match(await ensure(20_001), { result: { status: 'armed', bind: 'set' } })
  await login(slice, 9)
  await login('user-6.slice', 10)
  t.strictSame(await ensure(20_001), { actions: [], result: told('applied', { bind: 'set' }) })
  t.match(await ensure(20_005), { result: { status: 'applied', bind: 'set' } }, 'systemd lets go of the old ones')

  await host.run(['/usr/bin/systemctl', 'daemon-reload'], { touches: 'machine' })
  t.strictSame(await host.list('/proc/1/fdinfo'), [], 'systemd has taken them away')
  const before = reloads()
  t.strictSame(await ensure(20_005), {
    actions: [`repair ${slice} SocketBindDeny`],
    result: told('applied', { changed: true, bind: 'set' }),
  })
  t.equal(reloads(), before, 'and is not made to do so again')
  await ensureSlices(host, [{ slice: 'user-6.slice', limits }], options)
  t.strictSame(
    await ensure(20_005),
    { actions: [], result: told('applied', { bind: 'set' }) },
    'limiting another slice leaves them standing',
  )

  await setProperty(slice, 'CPUWeight=100')
  t.match(await ensure(20_005), { result: { status: 'applied', bind: 'set' } }, 'twice the same wall')
  const stale = { status: 'refused', bind: 'stale', error: { message: /daemon-reexec/ } }
  t.match(await ensure(20_009), { result: stale }, 'the lost one stands beside the new one')
  const again = await ensure(20_009)
  t.strictSame(again.actions, [])
  t.match(again.result, stale, 'and goes on to do so')
  for (const name of await host.list('/proc/1/fdinfo')) await host.remove(`/proc/1/fdinfo/${name}`)
  t.match(await ensure(20_009), { result: { status: 'applied', bind: 'set' } }, 'after daemon-reexec')
  t.equal(await host.status('/run/puppy-cgroups/old-walls'), undefined)
})

void t.test('ensureSlices() says so when walls do not come', async (t) => {
  const { host, login, options } = machine({ forgetsWalls: true })
  const wanted = [{ slice, limits, bind: { allow: [20_001] } }]
  await ensureSlices(host, wanted, options)
  await login(slice, 9)
  const { results } = await ensureSlices(host, wanted, options)
  t.matchOnlyStrict(results, [{ ...told('refused', { changed: true, bind: 'absent' }), error: CgroupError }])
  t.match(results[0]?.error, { code: 'CGROUP_REFUSED', message: /the kernel has none/ })
})

void t.test('ensureSlices() says where it cannot work', async (t) => {
  await t.rejects(ensureSlices(createFakeHost(), []), { code: 'CGROUP_UNSUPPORTED' })
  const old = machine({ version: 249 })
  await t.rejects(ensureSlices(old.host, [], old.options), { code: 'CGROUP_UNSUPPORTED', message: /systemd 249/ })
  const { host, options } = machine()
  const twice = [
    { slice, limits },
    { slice, limits },
  ]
  const { results } = await ensureSlices(host, twice, options)
  t.strictSame(
    results.map(({ status, error }) => [status, error?.message]),
    twice.map(() => ['refused', `Cannot limit the slice, value "${slice}": it is given twice`]),
  )
  await t.rejects(removeSlices(host, ['../x.slice'], options), { code: 'CGROUP_INVALID' })
})
