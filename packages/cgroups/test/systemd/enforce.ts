import t from 'tap'
import { openSystemctl } from '../../src/systemd/systemctl.ts'
import { reapply, enforceAll } from '../../src/systemd/enforce.ts'
import { machine } from '../support/machine.ts'

const slice = 'user-5.slice'

void t.test('reapply() leaves nothing behind of what it asked, and what was there', async (t) => {
  const { host, cgroupfs, login, setProperty } = machine()
  await setProperty(slice, 'MemoryLow=8192')
  await login(slice, 9)
  const folder = `/run/systemd/system.control/${slice}.d`
  await reapply({ host, systemctl: await openSystemctl(host) }, slice, '[Slice]\nCPUQuota=5%\nTasksMax=7\n')
  t.strictSame(await host.list(folder), ['50-MemoryLow.conf'])
  t.equal(cgroupfs.read('user.slice/user-5.slice' as never, 'pids.max'), '7\n')
  const asked = host.commands.at(-1)
  t.strictSame(asked?.slice(-2), [slice, 'TasksMax=7'], 'a line that has one meaning')
  await reapply({ host, systemctl: await openSystemctl(host) }, 'user-6.slice', '')
  t.strictSame(host.commands.at(-1)?.slice(-2), ['user-6.slice', 'CPUWeight='])
  t.equal(await host.status('/run/systemd/system.control/user-6.slice.d'), undefined)
})

void t.test('enforceAll() writes what differs, and one that fails is its own affair', async (t) => {
  const { host, cgroupfs, login } = machine()
  for (const [n, name] of ['user-5.slice', 'user-6.slice'].entries()) await login(name, n + 1)
  const step = (name: string, limits: object) =>
    ({ slice: name, limits, remove: [], settle: 'write', changes: [] }) as const
  const steps = [
    step(slice, { pids: { max: 5 }, memory: { max: 8192 } }),
    step('user-6.slice', { raw: { 'no.such': '1' } }),
    step('user-7.slice', { pids: { max: 5 } }),
  ]
  const site = { host, cgroupfs, systemctl: await openSystemctl(host) }
  const failed = await enforceAll(site, steps, new Map([[slice, '4096']]))
  t.strictSame([...failed.keys()], ['user-6.slice'], 'a slice that has gone is armed')
  t.equal(cgroupfs.read('user.slice/user-5.slice' as never, 'pids.max'), '5\n')
  t.equal(cgroupfs.read('user.slice/user-5.slice' as never, 'memory.high'), '4096\n', 'as it was before room was made')
})
