import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { firstOutput } from '../support/index.ts'
import t, { type Test } from 'tap'
import { createFakeHost } from '../../src/fake/index.ts'
import { createHost, type Host } from '../../src/index.ts'
import {
  listPids,
  processesOf,
  readCgroup,
  readCmdline,
  readProcesses,
  readProcessFile,
  readStat,
  readStatus,
} from '../../src/proc/index.ts'

const host = createHost()

/** Starts a shell that sets its own name and ends with the test. */
async function startNamed(t: Test, name: string): Promise<number> {
  const escaped = [...Buffer.from(name)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
  const script = `printf '${escaped}' >/proc/$$/comm; echo ready; read line`
  const child = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  await firstOutput(child)
  return child.pid ?? 0
}

void t.test('readStatus() and readStat() read a process with a hostile name', async (t) => {
  for (const name of ['\rUid:\t1\t1\t1\t1', ') Z 1 (', '\nState:\tZ', 'a\\nb\\', ' \t\v\u007F', 'ö\u2028']) {
    const pid = await startNamed(t, name)
    const [status, stat] = [await readStatus(host, pid), await readStat(host, pid)]
    const what = encodeURIComponent(name)
    const own = { name, parent: process.pid, alive: true }
    t.match(status, { pid, uid: process.getuid?.() ?? -1, ...own }, `status of ${what}`)
    t.match(stat, { pid, ...own }, `stat of ${what}`)
    const all = await readProcesses(host)
    t.match(all.find((one) => one.pid === pid), { ...own }, `readProcesses() finds ${what}`) // prettier-ignore
  }
})

void t.test('readStatus() and readStat() read a process with a name that is not UTF-8', async (t) => {
  const child = spawn('/bin/sh', ['-c', String.raw`printf '\377\376x' >/proc/$$/comm; echo ready; read line`])
  t.teardown(() => child.kill('SIGKILL'))
  await firstOutput(child)
  const pid = child.pid ?? 0
  t.match(await readStatus(host, pid), { pid, name: '\uFFFD\uFFFDx', alive: true })
  t.match(await readStat(host, pid), { pid, name: '\uFFFD\uFFFDx', alive: true })
})

void t.test('readCmdline() and readCgroup() read a process, and return nothing for an ended one', async (t) => {
  const child = spawn('/bin/sleep', ['30'])
  await once(child, 'spawn')
  const pid = child.pid ?? 0
  t.strictSame(await readCmdline(host, pid), ['/bin/sleep', '30'])
  t.strictSame(await readCgroup(host, pid), await readCgroup(host, process.pid))
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.strictSame(await readCmdline(host, pid), [])
  for (const read of [readStatus, readStat, readCgroup]) t.equal(await read(host, pid), undefined)
  t.equal(await readProcessFile(host, pid, 'comm'), undefined)
})

void t.test('readProcessFile() refuses an invalid pid', async (t) => {
  for (const pid of [0, -1, 1.5, Number.NaN]) await t.rejects(readProcessFile(host, pid, 'status'), RangeError)
})

const status = (pid: number, uids = '7\t7\t7\t7') =>
  `Name:\tx\nState:\tS (sleeping)\nPid:\t${pid}\nPPid:\t1\nUid:\t${uids}\nGid:\t7\t7\t7\t7\nThreads:\t1\n`

void t.test('readProcesses() sorts by pid, and leaves out other entries of /proc', async (t) => {
  const fake = createFakeHost({
    files: {
      '/proc/10/status': status(10),
      '/proc/9/status': status(9),
      '/proc/8/status': '',
      '/proc/7/other': '',
      '/proc/self/status': status(9),
      '/proc/0/status': status(0),
      '/proc/99999999999/status': status(9),
      '/proc/uptime': '1',
    },
  })
  t.strictSame(await listPids(fake), [7, 8, 9, 10])
  t.strictSame((await readProcesses(fake)).map(({ pid }) => pid), [9, 10]) // prettier-ignore
  t.strictSame(await readProcesses(createFakeHost()), [])
})

void t.test('readProcesses() throws for a process whose status it cannot parse', async (t) => {
  const fake = createFakeHost({ files: { '/proc/9/status': status(9).slice(0, -1) } })
  await t.rejects(readProcesses(fake), { code: 'HOST_READ_FAILED', message: /\/proc\/9\/status.*unknown form/ })
  const folder = createFakeHost({ files: { '/proc/9/status/x': '' } })
  await t.rejects(readProcesses(folder), { code: 'HOST_READ_FAILED' })
})

void t.test('readProcesses() lets other work run, and reads only files synchronously that never block', async (t) => {
  const pids = Array.from({ length: 1000 }, (_, n) => n + 1)
  const fake = createFakeHost({ files: Object.fromEntries(pids.map((pid) => [`/proc/${pid}/status`, status(pid)])) })
  let turns = 0
  let reading = true
  const count = () => {
    turns += 1
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  t.equal((await readProcesses(fake)).length, 1000)
  reading = false
  t.ok(turns >= 3, `${turns} turns`)
  const asked: unknown[] = []
  const read: Host['read'] = async (path, options) => void asked.push([path, options?.blocking])
  for (const one of [readStatus, readStat, readCmdline, readCgroup]) await one({ read }, 7)
  t.strictSame(asked, [
    ['/proc/7/status', true],
    ['/proc/7/stat', true],
    ['/proc/7/cmdline', false],
    ['/proc/7/cgroup', false],
  ])
})

void t.test('processesOf() compares all four user ids of a process', async (t) => {
  const fake = createFakeHost({ files: { '/proc/9/status': status(9, '5\t5\t10000\t5') } })
  const processes = await readProcesses(fake)
  t.equal(processes.length, 1)
  t.strictSame(processesOf(processes, new Set([10_000])), processes)
  t.strictSame(processesOf(processes, new Set([5])), processes)
  t.strictSame(processesOf(processes, new Set([1])), [])
  t.strictSame(processesOf(processes.map((one) => ({ ...one, alive: false })), new Set([5])), []) // prettier-ignore
})
