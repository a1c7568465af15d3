import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { firstOutput } from './support/index.ts'
import t from 'tap'
import { createHost } from '../src/index.ts'
import { endProcess, identifyProcess, isRunning, openPidFile } from '../src/process.ts'

const host = createHost()

void t.test('identifyProcess() returns a running process, and undefined for an ended one', async (t) => {
  const self = await identifyProcess(host, process.pid)
  t.equal(self?.pid, process.pid)
  t.ok(self?.command.some((word) => word.includes('process')))
  const child = spawn('/bin/sleep', ['30'])
  await once(child, 'spawn')
  t.strictSame((await identifyProcess(host, child.pid ?? 0))?.command, ['/bin/sleep', '30'])
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await identifyProcess(host, child.pid ?? 0), undefined)
})

void t.test('identifyProcess() works with a hostile process name', async (t) => {
  const path = `${t.testdir()}/x) Z 1 (`
  writeFileSync(path, '#!/bin/sh\nread line\n', { mode: 0o755 })
  const [child, twin] = [spawn(path), spawn('/bin/sh', ['-c', 'read line'])]
  t.teardown(() => [child, twin].map((one) => one.kill('SIGKILL')))
  await Promise.all([once(child, 'spawn'), once(twin, 'spawn')])
  const [named, plain] = [await identifyProcess(host, child.pid ?? 0), await identifyProcess(host, twin.pid ?? 0)]
  t.strictSame([named?.pid, named?.command], [child.pid, ['/bin/sh', path]])
  t.ok((plain?.started ?? 0) >= (named?.started ?? Infinity), 'its start is read from the right field')
})

void t.test('identifyProcess() and isRunning() treat a zombie as ended', async (t) => {
  // The shell starts a child and becomes a program that never reaps it.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const line = await firstOutput(parent)
  const pid = Number(line)
  const fields = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  while (fields()[2] !== 'Z') await sleep(5)
  t.equal(await identifyProcess(host, pid), undefined)
  const zombie = { pid, started: Number(fields()[21]) }
  t.equal(await isRunning(host, zombie), false)
  t.equal(await endProcess(host, zombie, 'SIGTERM'), true)
})

void t.test('endProcess() waits for the end, and returns false after the timeout', async (t) => {
  const child = spawn('/bin/sleep', ['30'])
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  const found = await identifyProcess(host, child.pid ?? 0)
  const target = { pid: child.pid ?? 0, started: found?.started ?? 0 }
  t.equal(await endProcess(host, target, 'SIGCONT', { timeout: 50 }), false)
  const reason = new Error('the caller aborted')
  const aborted = endProcess(host, target, 'SIGCONT', { signal: AbortSignal.abort(reason) })
  t.equal(await aborted.catch((error: unknown) => error), reason)
  t.equal(await endProcess(host, target, 'SIGTERM', { timeout: 60_000 }), true)
  t.equal(await endProcess(host, target, 'SIGTERM', { timeout: 50 }), true, 'a second call does nothing')
})

void t.test('openPidFile() ignores a stale file, and the file of another process with the same pid', async (t) => {
  const file = openPidFile(host, `${t.testdir()}/x.pid`)
  t.equal(await file.read(), undefined, 'the file does not exist')
  await file.write(process.pid)
  const whole = readFileSync(file.path, 'utf8')
  t.equal((await file.read())?.pid, process.pid)
  const others = [
    `${process.pid} 1\n`,
    '1 0\n',
    'nonsense',
    '',
    '-5 3\n',
    '99999999 1\n',
    whole.trim(),
    ` ${whole}`,
    `${whole}\n`,
    whole.replace('\n', '\r\n'),
    whole.slice(0, -2),
    `${process.pid}\n`,
    `${'9'.repeat(30)} ${'9'.repeat(30)}\n`,
  ]
  for (const text of others) {
    writeFileSync(file.path, text)
    t.equal(await file.read(), undefined, JSON.stringify(text))
  }
  writeFileSync(file.path, whole)
  t.equal((await file.read())?.pid, process.pid, 'the complete file still works')
  await file.write(2 ** 22 + 1)
  t.equal(readFileSync(file.path, 'utf8'), whole, 'nothing is written for a process that does not run')
  await file.remove()
  await file.remove()
  t.equal(await file.read(), undefined)
})
