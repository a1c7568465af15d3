import { createFakeHost, renderFakeProcess, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { becoming, endProcesses } from '../../src/release/end.ts'

const files = {
  '/proc/7/status': renderFakeProcess({ pid: 7, uid: 10_000 })['/proc/7/status']!,
  '/proc/8/status': renderFakeProcess({ pid: 8, uid: 10_001 })['/proc/8/status']!,
}
const killing: FakeProgram = async ({ host, args }) => {
  if (args[1] === '10000') {
    await host.remove('/proc/7/status')
    await host.remove('/proc/7')
  }
  return {}
}
const machine = (setpriv: FakeProgram, more: Record<string, FakeProgram> = {}, others: Record<string, string> = {}) =>
  createFakeHost({
    files: { ...files, ...others },
    programs: { '/usr/bin/setpriv': setpriv, '/usr/bin/kill': () => ({}), ...more },
  })

void t.test('endProcesses() runs kill as each uid', async (t) => {
  const host = machine(killing)
  t.strictSame(await endProcesses(host, [10_000]), { ended: new Map([[10_000, 1]]), left: [] })
  t.strictSame(host.commands, [
    [
      '/usr/bin/setpriv',
      '--reuid',
      '10000',
      '--regid',
      '10000',
      '--clear-groups',
      '--',
      '/usr/bin/kill',
      '-KILL',
      '--',
      '-1',
    ],
  ])
})

void t.test('endProcesses() stops after the timeout and returns the remaining processes', async (t) => {
  const { ended, left } = await endProcesses(
    machine(() => ({ exitCode: 1 })),
    [10_000],
    { endTimeout: 0 },
  )
  t.equal(ended.size, 0)
  t.strictSame(
    left.map(({ pid, uid }) => ({ pid, uid })),
    [{ pid: 7, uid: 10_000 }],
  )
})

void t.test('endProcesses() stops the slices under systemd and resets failed units', async (t) => {
  const host = machine(killing, { '/usr/bin/systemctl': () => ({ exitCode: 5 }) }, { '/run/systemd/system/x': '' })
  await endProcesses(host, [10_000, 10_005])
  t.strictSame(host.commands.slice(-2), [
    ['/usr/bin/systemctl', 'stop', 'user-10000.slice', 'user-10005.slice'],
    ['/usr/bin/systemctl', 'reset-failed', 'user@10000.service', 'user@10005.service'],
  ])
})

void t.test('endProcesses() refuses the uid of root and runs nothing', async (t) => {
  const host = machine(killing)
  for (const uid of [0, 500, 65_534]) await t.rejects(endProcesses(host, [10_000, uid]), RangeError)
  t.strictSame(host.commands, [])
  t.throws(() => becoming(host, 0), RangeError)
})
