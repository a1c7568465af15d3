import t from 'tap'
import { restorePortRules } from '../../src/systemd/restore-port-rules.ts'
import { openSystemctl } from '../../src/systemd/systemctl.ts'
import { machine } from '../support/machine.ts'

const names = ['user-5.slice', 'user-6.slice', 'user-7.slice']

void t.test(
  'restorePortRules() sets a property of one slice, and systemd attaches the rules of its siblings too',
  async (t) => {
    const { host, cgroupfs, login, options, slices } = machine()
    await slices.ensure(names.map((slice) => ({ slice, limits: { pids: { max: 5 } }, portRules: { allow: [80] } })))
    for (const [n, slice] of names.entries()) await login(slice, n + 1)
    const site = { host, cgroupfs, systemctl: await openSystemctl(host) }
    const asked = () => host.commands.filter((command) => command.includes('set-property')).length
    await restorePortRules(site, ['user-5.slice'], options)
    t.equal(asked(), 0, 'all rules are attached')
    await site.systemctl.reload()
    t.strictSame(await host.list('/proc/1/fdinfo'), [])
    await restorePortRules(site, ['user-9.slice'], options)
    t.equal(asked(), 1)
    t.equal((await host.list('/proc/1/fdinfo')).length, 6)
  },
)

void t.test('restorePortRules() sets a property of each slice whose rules systemd does not attach', async (t) => {
  const { host, cgroupfs, login, options, slices } = machine({ losesPortRules: true })
  await slices.ensure(names.map((slice) => ({ slice, limits: { pids: { max: 5 } }, portRules: { allow: [80] } })))
  for (const [n, slice] of names.entries()) await login(slice, n + 1)
  await restorePortRules({ host, cgroupfs, systemctl: await openSystemctl(host) }, names.slice(0, 1), options)
  const asked = host.commands.flatMap((command) => (command.includes('set-property') ? [String(command.at(-2))] : []))
  t.strictSame([...new Set(asked)].toSorted(), names)
})
