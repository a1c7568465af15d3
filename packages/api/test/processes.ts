import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { pidFile, readProcess, signalProcess } from '../src/processes.ts'
import { scratchFolder } from './support/database.ts'

void t.test('readProcess() knows a process by its start, and an ended one as gone', async (t) => {
  const self = await readProcess(process.pid)
  t.match(self, { pid: process.pid, started: Number })
  t.ok(self?.command.some((word) => word.includes('processes')))
  const child = spawn('/bin/sleep', ['30'])
  await once(child, 'spawn')
  t.matchOnlyStrict(await readProcess(child.pid ?? 0), {
    pid: child.pid,
    started: Number,
    command: ['/bin/sleep', '30'],
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(await readProcess(child.pid ?? 0), undefined)
})

void t.test('readProcess() is not fooled by the name that a program gives itself', async (t) => {
  const path = `${scratchFolder(t)}/x) Z 1 (`
  writeFileSync(path, '#!/bin/sh\nread line\n', { mode: 0o755 })
  const [child, twin] = [spawn(path), spawn('/bin/sh', ['-c', 'read line'])]
  t.teardown(() => [child, twin].map((one) => one.kill('SIGKILL')))
  await Promise.all([once(child, 'spawn'), once(twin, 'spawn')])
  const [named, plain] = [await readProcess(child.pid ?? 0), await readProcess(twin.pid ?? 0)]
  t.matchOnlyStrict(named, { pid: child.pid, started: Number, command: ['/bin/sh', path] })
  t.ok((plain?.started ?? 0) >= (named?.started ?? Infinity), 'its start is read from the right field')
})

void t.test('readProcess() takes an ended process that nobody has reaped for gone', async (t) => {
  // The shell starts a child and becomes a program that never asks for it.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  const state = () => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  while (state() !== 'Z') await sleep(5)
  t.equal(await readProcess(pid), undefined)
  t.equal(await signalProcess(pid, 'SIGTERM', { wait: 50 }), true)
})

void t.test('signalProcess() waits for the end, and says when it did not come', async (t) => {
  const child = spawn('/bin/sleep', ['30'])
  await once(child, 'spawn')
  t.equal(await signalProcess(child.pid ?? 0, 'SIGCONT', { wait: 50 }), false)
  t.equal(await signalProcess(child.pid ?? 0, 'SIGTERM', { wait: 5000 }), true)
  t.equal(await signalProcess(child.pid ?? 0, 'SIGTERM', { wait: 50 }), true, 'again is nothing')
})

void t.test('pidFile() knows a stale file, and one of another process with the same number', async (t) => {
  const file = pidFile(`${scratchFolder(t)}/x.pid`)
  t.equal(await file.read(), undefined, 'there is none')
  await file.write(process.pid)
  t.match(await file.read(), { pid: process.pid })
  for (const text of [`${process.pid} 1\n`, '1 0\n', 'nonsense', '', '-5 3\n', '99999999 1\n']) {
    writeFileSync(file.path, text)
    t.equal(await file.read(), undefined, JSON.stringify(text))
  }
  await file.remove()
  await file.remove()
  t.equal(await file.read(), undefined)
})
