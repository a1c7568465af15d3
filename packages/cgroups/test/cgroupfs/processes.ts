import fc from 'fast-check'
import t from 'tap'
import { createFakeHost, renderFakeProcess } from '@puppy/host/fake'
import type { Cgroupfs } from '../../src/cgroupfs/cgroupfs.ts'
import {
  addProcess,
  groupOf,
  killAll,
  listGroups,
  listProcesses,
  moveAll,
  parseProcesses,
  setFrozen,
  stateOf,
} from '../../src/cgroupfs/processes.ts'
import { createFakeCgroupfs } from '../../src/fake/cgroupfs.ts'
import { CgroupError } from '../../src/errors.ts'
import { parseCgroupPath } from '../../src/path.ts'

const [a, b] = [parseCgroupPath('a'), parseCgroupPath('a/b')]

void t.test('listProcesses(), addProcess(), moveAll() and killAll() list, move and kill processes', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  place('a/b', 7)
  place('c', 8)
  t.strictSame(listGroups(cgroupfs, a), ['a', 'a/b'])
  t.strictSame(listProcesses(cgroupfs, a), [])
  t.strictSame(listProcesses(cgroupfs, a, true), [7])
  await addProcess(cgroupfs, b, 8)
  t.strictSame(listProcesses(cgroupfs, b), [7, 8])
  t.equal(await moveAll(cgroupfs, b, parseCgroupPath('c')), 2)
  t.strictSame(stateOf(cgroupfs, a), { populated: false, frozen: false })
  await addProcess(cgroupfs, b, 7)
  await killAll({ host: createFakeHost(), cgroupfs }, a)
  t.strictSame(listProcesses(cgroupfs, a, true), [])
  await killAll({ host: createFakeHost(), cgroupfs }, parseCgroupPath('gone'))
})

void t.test('addProcess() refuses a frozen group, and reports a missing process or group', async (t) => {
  const { cgroupfs, place } = createFakeCgroupfs()
  place('a', 7)
  place('c', 8)
  await setFrozen(cgroupfs, a, true)
  t.equal(stateOf(cgroupfs, a).frozen, true)
  await t.rejects(addProcess(cgroupfs, a, 8), { code: 'CGROUP_BUSY', message: /frozen/ })
  await setFrozen(cgroupfs, a, false)
  await t.rejects(addProcess(cgroupfs, a, 99), { code: 'CGROUP_GONE', facts: { errno: 'ESRCH' } })
  await t.rejects(addProcess(cgroupfs, parseCgroupPath('gone'), 7), { code: 'CGROUP_GONE' })
  for (const pid of [0, -1, 1.5]) await t.rejects(addProcess(cgroupfs, a, pid), { code: 'CGROUP_INVALID' })
})

void t.test('parseProcesses() accepts any text', async (t) => {
  t.strictSame(parseProcesses('1\n0\n\n22\nx\n-3\n'), [1, 22])
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseProcesses(text))))
  t.equal(await groupOf(createFakeHost({ files: { '/proc/5/cgroup': '0::/a\n' } }), 5), 'a')
})

void t.test('killAll() signals each process when the kernel has no cgroup.kill', async (t) => {
  const { cgroupfs, place, end } = createFakeCgroupfs()
  for (const [pid, group] of [
    [17, 'a'],
    [18, 'a/b'],
    [19, 'c'],
  ] as const) {
    place(group, pid)
  }
  const frozen: (boolean | undefined)[] = []
  const files = Object.assign({}, ...[17, 18, 19].map((pid) => renderFakeProcess({ pid, uid: 0 }))) as Record<
    string,
    string
  >
  const host = createFakeHost({
    files,
    onSignal: ({ pid }) => {
      frozen.push(stateOf(cgroupfs, a).frozen)
      end(pid)
    },
  })
  const old: Cgroupfs = {
    ...cgroupfs,
    write: async (path, file, value) => {
      if (file !== 'cgroup.kill') return cgroupfs.write(path, file, value)
      throw new CgroupError('CGROUP_REFUSED', { operation: `write ${file} of`, errno: 'ENOENT' })
    },
  }
  await killAll({ host, cgroupfs: old }, a)
  t.strictSame(host.signals, [
    { pid: 17, signal: 'SIGKILL' },
    { pid: 18, signal: 'SIGKILL' },
  ])
  t.strictSame(frozen, [true, true], 'frozen, so that no process forks meanwhile')
  t.strictSame(stateOf(cgroupfs, a), { populated: false, frozen: false })
})
