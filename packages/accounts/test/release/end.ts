import { createFakeHost, renderFakeProcess, type FakeProgram } from '@puppy/host/fake'
import { HostError } from '@puppy/host'
import t from 'tap'
import { endProcesses } from '../../src/release/end.ts'

const files = {
  '/proc/7/status': renderFakeProcess({ pid: 7, uid: 10_000 })['/proc/7/status']!,
  '/proc/8/status': renderFakeProcess({ pid: 8, uid: 10_001 })['/proc/8/status']!,
}
const killing: FakeProgram = async ({ host, args }) => {
  if (args.includes('10000')) host.endProcess(7)
  return {}
}
const machine = (setpriv: FakeProgram, more: Record<string, FakeProgram> = {}, others: Record<string, string> = {}) =>
  createFakeHost({
    files: { ...files, ...others },
    programs: { '/usr/bin/setpriv': setpriv, ...more },
  })

void t.test('endProcesses() kills all uids in one run', async (t) => {
  const host = machine(killing)
  t.strictSame(await endProcesses(host, [10_000, 10_005]), { ended: new Map([[10_000, 1]]), left: [] })
  t.matchOnlyStrict(
    host.commands.map((command) => command.slice(-2)),
    [['10000', '10005']],
  )
})

void t.test('endProcesses() ends the groups of all uids first', async (t) => {
  const host = machine(killing)
  const order: string[] = []
  await endProcesses(host, [10_000], {
    endGroups: async (uids) => void order.push(`groups of ${uids.join()} after ${host.commands.length} programs`),
  })
  t.strictSame(order, ['groups of 10000 after 0 programs'])
})

void t.test('endProcesses() signals processes that have only a gid or an effective uid of a tenant', async (t) => {
  const status = (uid: string, gid: string) =>
    renderFakeProcess({ pid: 9, uid: 10_001 })
      ['/proc/9/status']!.replace(/^Uid:.*$/m, `Uid:\t${uid}`)
      .replace(/^Gid:.*$/m, `Gid:\t${gid}`)
  const [b, mixed] = ['10001\t10001\t10001\t10001', '10001\t10000\t10001\t10000']
  for (const text of [status(mixed, b), status(b, mixed), status(b, '10001\t10001\t10000\t10001')]) {
    const host = createFakeHost({
      files: { ...renderFakeProcess({ pid: 9, uid: 10_001 }), '/proc/9/status': text },
      programs: { '/usr/bin/setpriv': () => ({}) },
    })
    t.strictSame(await endProcesses(host, [10_000]), { ended: new Map([[10_000, 1]]), left: [] })
    t.strictSame(host.signals, [{ pid: 9, signal: 'SIGKILL' }])
  }
})

void t.test('endProcesses() sends no signal to a process that no longer belongs to the uid', async (t) => {
  const host = createFakeHost({
    files: renderFakeProcess({ pid: 9, uid: 10_000 }),
    programs: { '/usr/bin/setpriv': () => ({}) },
  })
  let reads = 0
  const read: typeof host.read = async (path, options) => {
    const text = await host.read(path, options)
    if (path === '/proc/9/status') reads += 1
    // After the second list of processes, the process has ended, and another user's process has its pid.
    if (path === '/proc/9/status' && reads === 2)
      for (const [file, other] of Object.entries(renderFakeProcess({ pid: 9, uid: 10_001, started: 200 })))
        await host.replace(file, other)
    return text
  }
  t.strictSame((await endProcesses({ ...host, read }, [10_000], { endTimeout: 50 })).left, [])
  t.strictSame(host.signals, [])
})

void t.test('endProcesses() stops after the timeout and returns the remaining processes', async (t) => {
  const stuck = createFakeHost({ files, programs: { '/usr/bin/setpriv': () => ({}) }, onSignal: () => {} })
  const { ended, left } = await endProcesses(stuck, [10_000], { endTimeout: 0 })
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
})

void t.test('endProcesses() ignores that systemd does not answer', async (t) => {
  const hangs: FakeProgram = async () => {
    throw new HostError('HOST_TIMEOUT', { operation: 'run systemctl' })
  }
  const host = machine(killing, { '/usr/bin/systemctl': hangs }, { '/run/systemd/system/x': '' })
  t.strictSame((await endProcesses(host, [10_000])).left, [])
})
