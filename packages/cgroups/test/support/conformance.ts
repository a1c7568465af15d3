import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import type { Limits } from '../../src/limits/limits.ts'
import { dropInPath } from '../../src/systemd/observe.ts'
import type { EnsureOptions } from '../../src/systemd/carry-out.ts'
import type { SliceResult } from '../../src/systemd/result.ts'
import { ensureSlices, removeSlices } from '../../src/systemd/slices.ts'

/** A systemd, real or fake. */
export interface Subject {
  readonly host: Host
  readonly options: EnsureOptions
  /** Slices that nobody has limited: one in which a process can be started, and one that stays unused. */
  readonly slices: { readonly used: string; readonly unused: string }
  /** Starts a process in the slice that is used. */
  login(): Promise<void>
  /** Reads and writes the kernel's files of the slice that is used. */
  read(file: string): string
  meddle(file: string, value: string): Promise<void>
  /** As an operator would. */
  setProperty(slice: string, line: string): Promise<void>
}

const MiB = 1024 ** 2
const limits: Limits = { cpu: { max: 0.5, weight: 50 }, memory: { high: 300 * MiB, max: 400 * MiB }, pids: { max: 60 } }

export async function slicesConform(
  t: Test,
  { host, options, slices: { used, unused }, login, read, meddle, setProperty }: Subject,
): Promise<void> {
  let latest: SliceResult | undefined
  const ensure = async (wanted: Limits, slice = used) => {
    const { changes, results } = await ensureSlices(host, [{ slice, limits: wanted }], options)
    t.equal(results.length, 1)
    latest = results[0]
    return {
      status: latest?.status,
      actions: changes.map(({ action, target }) => `${action} ${target.replaceAll(slice, 'it')}`),
    }
  }

  t.strictSame(await ensure(limits), { status: 'armed', actions: ['add it'] }, 'before the first login')
  t.strictSame(await ensure(limits), { status: 'armed', actions: [] }, 'a second time changes nothing')
  await login()
  t.equal(read('pids.max'), '60', 'the first login has the limits')
  t.strictSame(await ensure(limits), { status: 'applied', actions: [] })

  const changed: Limits = { ...limits, pids: { max: 70 }, cpu: { max: 'max', weight: 50 } }
  t.strictSame(await ensure(changed), { status: 'applied', actions: ['change it'] }, 'a slice in use')
  t.strictSame([read('pids.max'), read('cpu.max'), read('memory.max')], ['70', 'max 100000', String(400 * MiB)])

  await meddle('pids.max', '33')
  t.strictSame(
    await ensure(changed),
    { status: 'applied', actions: ['repair it pids.max'] },
    'somebody wrote to the kernel’s file',
  )
  t.equal(read('pids.max'), '70')

  await setProperty(used, 'TasksMax=90')
  t.equal(read('pids.max'), '90')
  const control = `/etc/systemd/system.control/${used}.d/50-TasksMax.conf`
  t.strictSame(
    await ensure(changed),
    { status: 'applied', actions: [`remove it ${control.replaceAll(used, 'it')}`, 'repair it pids.max'] },
    'somebody ran set-property',
  )
  t.equal(read('pids.max'), '70')
  t.equal(await host.read(control), undefined)
  await setProperty(used, 'MemoryLow=8192')
  t.strictSame(await ensure(changed), { status: 'applied', actions: [] }, 'what is not ours stays')
  const low = `/etc/systemd/system.control/${used}.d/50-MemoryLow.conf`
  t.strictSame(latest?.foreign, [{ path: low, by: 'set-property', property: 'MemoryLow', value: '8192' }])
  t.equal(read('memory.low'), '8192')

  t.strictSame(
    await ensure({ ...changed, io: { weight: 300 } }),
    { status: 'applied', actions: ['change it'] },
    'a controller more',
  )
  t.equal(read('io.weight'), 'default 300')
  const { memory: _memory, ...less } = changed
  t.strictSame(await ensure(less), { status: 'applied', actions: ['change it'] }, 'a limit that is wanted no more')
  t.equal(read('memory.max'), 'max')

  const many = await ensureSlices(
    host,
    [
      { slice: used, limits: { pids: { max: 80 } }, bind: { allow: [{ first: 20_001, last: 20_004 }] } },
      { slice: 'user-0x.slice.d', limits: {} },
      { slice: unused, limits: { pids: { max: 5 } } },
      { slice: 'user-10999.slice', limits: { pids: { max: 0 } } },
      { slice: 'user-10998.slice', limits: { cpu: { burst: 1 } } },
    ],
    options,
  )
  t.strictSame(
    many.results.map(({ slice, status, error }) => [slice, status, error?.code]),
    [
      [used, 'applied', undefined],
      ['user-0x.slice.d', 'refused', 'CGROUP_INVALID'],
      [unused, 'armed', undefined],
      ['user-10999.slice', 'refused', 'CGROUP_INVALID'],
      ['user-10998.slice', 'refused', 'CGROUP_INVALID'],
    ],
  )
  t.match(many.results[0]?.bind, /^(set|absent)$/)
  t.match(many.results[3]?.error?.message, /pids\.max/)
  t.equal(await host.read(dropInPath('user-10999.slice', options)), undefined, 'what is refused is not written')
  t.equal(read('pids.max'), '80')
  t.strictSame(await host.list(`/run/systemd/system.control/${used}.d`), [], 'nothing is left of how systemd was asked')

  const over = `/etc/systemd/system/${used}.d/99-operator.conf`
  await host.replace(over, '[Slice]\nTasksMax=1000\n', { mode: 0o644 })
  t.match(await ensure({ pids: { max: 80 } }), { status: 'refused' })
  t.match(latest?.error?.message, /99-operator\.conf sets TasksMax=1000/)
  await host.remove(over)

  t.strictSame(await removeSlices(host, [used, unused], options), { changed: true })
  t.strictSame(await removeSlices(host, [used, unused], options), { changed: false })
  t.not(read('pids.max'), '80', 'systemd’s default is back')
  t.equal(await host.status(`/etc/systemd/system/${unused}.d`), undefined)
}
