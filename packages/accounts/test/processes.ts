import { spawn } from 'node:child_process'
import { createHost } from '@puppy/host'
import fc from 'fast-check'
import t from 'tap'
import { parseStatus, processesOf, readProcesses } from '../src/processes.ts'

const status = (state: string, threads = 1, uids = '10000\t0\t0\t0') =>
  `Name:\tsleep\nUmask:\t0022\nState:\t${state}\nTgid:\t42\nPid:\t42\nPPid:\t1\nUid:\t${uids}\nGid:\t1\t1\t1\t1\nThreads:\t${threads}\n`

void t.test('parseStatus() reads who and what', (t) => {
  t.strictSame(parseStatus(status('S (sleeping)')), {
    pid: 42,
    uid: 10_000,
    uids: [10_000, 0, 0, 0],
    command: 'sleep',
    alive: true,
  })
  t.equal(parseStatus(''), undefined)
  t.equal(parseStatus('Pid:\t1\nState:\tS\nUid:\tx\ty\tz\tw\n'), undefined)
  t.end()
})

void t.test('parseStatus() takes a zombie for dead unless it has threads', (t) => {
  t.equal(parseStatus(status('Z (zombie)'))?.alive, false)
  t.equal(parseStatus(status('Z (zombie)', 3))?.alive, true)
  t.end()
})

void t.test('parseStatus() takes any text', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseStatus(text) === undefined))
  t.end()
})

void t.test('processesOf() goes by every identity of a process', (t) => {
  const process = parseStatus(status('S', 1, '5\t5\t10000\t5'))!
  t.strictSame(processesOf([process], new Set([10_000])), [process])
  t.strictSame(processesOf([process], new Set([1])), [])
  t.strictSame(processesOf([{ ...process, alive: false }], new Set([5])), [])
  t.end()
})

void t.test('readProcesses() finds us and our child', async (t) => {
  const child = spawn('/bin/sleep', ['60'])
  t.teardown(() => child.kill())
  const processes = await readProcesses(createHost())
  t.match(
    processes.find(({ pid }) => pid === process.pid),
    { uid: process.getuid?.(), alive: true },
  )
  t.match(
    processes.find(({ pid }) => pid === child.pid),
    { uid: process.getuid?.() },
  )
})

void t.test('parseStatus() is not told another uid or state by the name that a process chose', async (t) => {
  const name = '\rUid:\t0\t0\t0\t0\rState:\tZ'
  const text = `Name:\t${name}\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t42\nUid:\t10000\t10000\t10000\t10000\nThreads:\t1\n`
  t.match(parseStatus(text), { pid: 42, uid: 10_000, alive: true })
  t.match(parseStatus(text.replace(name, 'x\u2028Uid:\t0\t0\t0\t0')), { uid: 10_000 })
})
