import { matchWhole } from '@puppy/host/testing'
import type { Host } from '@puppy/host'
import type { Test } from 'tap'
import type { Limits } from '../../src/limits/limits.ts'
import { dropInPath, type SlicesOptions } from '../../src/systemd/paths.ts'
import { openSlices } from '../../src/systemd/slices.ts'

/** A systemd, real or fake, and the actions of an operator. */
export interface Subject {
  readonly host: Host
  readonly options: SlicesOptions
  /** Slices without limits. In `used` a process can be started. `unused` stays unused. */
  readonly names: { readonly used: string; readonly unused: string }
  /** Starts a process in the slice `used`. */
  login(): Promise<void>
  /** Reads and writes the kernel's files of the slice `used`. */
  read(file: string): string
  meddle(file: string, value: string): Promise<void>
  /** Runs `systemctl set-property`, as an operator would. */
  setProperty(slice: string, line: string): Promise<void>
}

const MiB = 1024 ** 2
const limits: Limits = { cpu: { max: 0.5, weight: 50 }, memory: { high: 300 * MiB, max: 400 * MiB }, pids: { max: 60 } }

export async function slicesConform(
  t: Test,
  { host, options, names: { used, unused }, login, read, meddle, setProperty }: Subject,
): Promise<void> {
  const slices = openSlices(host, options)
  const ensure = async (spec: Limits, slice = used) => {
    const { changes, results } = await slices.ensure([{ slice, limits: spec }])
    return {
      status: results[0]?.status,
      actions: changes.map(({ action, target, before = '', after = '' }) =>
        // Omits the text of a drop-in.
        `${action} ${target} ${action === 'remove' ? before : after.includes('\n') ? '' : after}`
          .replaceAll(slice, 'it')
          .trim(),
      ),
      result: results[0],
    }
  }
  const becomes = async (spec: Limits, status: string, actions: readonly string[], title: string) => {
    const ensured = await ensure(spec)
    t.equal(ensured.status, status, title)
    t.strictSame(ensured.actions, actions, title)
    return ensured.result
  }

  await becomes(limits, 'armed', ['add it'], 'before the first login')
  await becomes(limits, 'armed', [], 'a second ensure() changes nothing')
  await login()
  t.equal(read('pids.max'), '60', 'the first login has the limits')
  await becomes(limits, 'applied', [], 'after the first login')

  const changed: Limits = { ...limits, pids: { max: 70 }, cpu: { max: 'max', weight: 50 } }
  await becomes(changed, 'applied', ['change it'], 'a slice in use')
  t.strictSame([read('pids.max'), read('cpu.max'), read('memory.max')], ['70', 'max 100000', String(400 * MiB)])

  await meddle('pids.max', '33')
  await becomes(changed, 'applied', ['repair it pids.max=70'], 'another program wrote to the kernel’s file')
  t.equal(read('pids.max'), '70')

  await setProperty(used, 'TasksMax=90')
  t.equal(read('pids.max'), '90')
  const control = `/etc/systemd/system.control/${used}.d/50-TasksMax.conf`
  const actions = [`remove it ${control.replaceAll(used, 'it')}`, 'repair it pids.max=70']
  await becomes(changed, 'applied', actions, 'an operator ran set-property')
  t.equal(read('pids.max'), '70')
  t.equal(await host.read(control), undefined)
  await setProperty(used, 'MemoryLow=8192')
  const foreign = [{ property: 'MemoryLow', value: '8192', by: 'set-property' }]
  const kept = await becomes(changed, 'applied', [], 'a foreign setting stays')
  t.strictSame(
    kept?.foreign.map(({ path: _path, ...setting }) => setting),
    foreign,
  )
  t.equal(read('memory.low'), '8192')

  await becomes({ ...changed, io: { weight: 300 } }, 'applied', ['change it'], 'one more controller')
  t.equal(read('io.weight'), 'default 300')
  const { memory: _memory, ...less } = changed
  await becomes(less, 'applied', ['change it'], 'a limit that is no longer in the spec')
  t.equal(read('memory.max'), 'max')

  const many = await slices.ensure([
    { slice: used, limits: { pids: { max: 80 } }, portRules: { allow: [{ first: 20_001, last: 20_004 }] } },
    { slice: 'user-0x.slice.d', limits: {} },
    { slice: unused, limits: { pids: { max: 5 } } },
    { slice: 'user-10999.slice', limits: { pids: { max: 0 } } },
    { slice: 'user-10998.slice', limits: { cpu: { burst: 1 } } },
  ])
  matchWhole(t, many.results, [
    { status: 'applied', portRules: /set|unsupported/ },
    { status: 'refused', error: { code: 'CGROUP_INVALID' } },
    { status: 'armed' },
    { status: 'refused', error: { code: 'CGROUP_INVALID', message: /pids\.max/ } },
    { status: 'refused', error: { code: 'CGROUP_INVALID', message: /cpu\.max\.burst/ } },
  ])
  t.equal(
    await host.read(dropInPath('user-10999.slice', options)),
    undefined,
    'the drop-in of a refused slice is not written',
  )
  t.equal(read('pids.max'), '80')
  t.strictSame(await host.list(`/run/systemd/system.control/${used}.d`), [], 'the files of set-property are removed')

  const over = `/etc/systemd/system/${used}.d/99-operator.conf`
  await host.replace(over, '[Slice]\nTasksMax=1000\n', { mode: 0o644 })
  const refused = await ensure({ pids: { max: 80 } })
  t.equal(refused?.status, 'refused')
  t.match(refused?.result?.error?.message, /99-operator\.conf sets TasksMax=1000/)
  await host.remove(over)

  t.strictSame(await slices.remove([used, unused]), { changed: true })
  t.strictSame(await slices.remove([used, unused]), { changed: false })
  t.not(read('pids.max'), '80', 'the default of systemd applies again')
  t.equal(await host.status(`/etc/systemd/system/${unused}.d`), undefined)
}
