import t from 'tap'
import { openSystemctl } from '../../src/systemd/systemctl.ts'
import { planLimits } from '../../src/cgroupfs/apply-limits.ts'
import type { Limits } from '../../src/limits/limits.ts'
import { enforceAll, reapply } from '../../src/systemd/enforce.ts'
import { slicePath } from '../../src/unit.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'

void t.test('reapply() removes only the file that it created', async (t) => {
  const { host, cgroupfs, login, setProperty } = machine()
  await setProperty(slice, 'MemoryLow=8192')
  await login(slice, 9)
  const folder = `/run/systemd/system.control/${slice}.d`
  await reapply({ host, systemctl: await openSystemctl(host) }, slice, '[Slice]\nCPUQuota=5%\nTasksMax=7\n')
  t.strictSame(await host.list(folder), ['50-MemoryLow.conf'])
  t.equal(cgroupfs.read(slicePath(slice), 'pids.max'), '7\n')
  const asked = host.commands.at(-1)
  t.strictSame(asked?.slice(-2), [slice, 'TasksMax=7'], 'not CPUQuota, but another line')
  await reapply({ host, systemctl: await openSystemctl(host) }, 'user-6.slice', '')
  t.strictSame(host.commands.at(-1)?.slice(-2), ['user-6.slice', 'CPUWeight='])
  t.equal(await host.status('/run/systemd/system.control/user-6.slice.d'), undefined)
})

void t.test('enforceAll() writes the planned values, and a failed slice does not affect the others', async (t) => {
  const { host, cgroupfs, login } = machine()
  for (const [n, name] of ['user-5.slice', 'user-6.slice', 'user-8.slice'].entries()) await login(name, n + 1)
  const step = (name: string, limits: Limits) => ({
    slice: name,
    busy: true,
    limits,
    dropIn: '',
    remove: [],
    enforce: 'write' as const,
    writes: planLimits(limits, {}),
  })
  const steps = [
    { ...step(slice, { pids: { max: 5 }, memory: { max: 8192 } }), writes: planLimits({ pids: { max: 5 } }, {}) },
    step('user-6.slice', { raw: { 'no.such': '1' } }),
    step('user-7.slice', { pids: { max: 5 } }),
    { ...step('user-8.slice', { pids: { max: 5 } }), writes: [{ name: 'pids.max', file: 'pids.max', value: 'five' }] },
  ]
  const site = { host, cgroupfs, systemctl: await openSystemctl(host) }
  const failed = await enforceAll(site, steps)
  t.strictSame(
    [...failed].map(([name, { code }]) => [name, code]),
    [
      ['user-6.slice', 'CGROUP_CONFLICT'],
      ['user-8.slice', 'CGROUP_REFUSED'],
    ],
    'a missing file is a conflict; a missing slice is not an error',
  )
  const read = (file: string) => cgroupfs.read(slicePath(slice), file)
  t.equal(read('pids.max'), '5\n')
  t.equal(read('memory.max'), 'max\n', 'not in the change set')
})
