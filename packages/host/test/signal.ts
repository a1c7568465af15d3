import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { firstOutput } from './support/index.ts'
import t from 'tap'
import { parseStat } from '../src/proc/index.ts'
import { sendSignal } from '../src/signal.ts'

void t.test('sendSignal() does not signal a zombie, and reports what the kernel refuses', async (t) => {
  // The shell starts a child and becomes a program that never reaps it.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const line = await firstOutput(parent)
  const pid = Number(line)
  const stat = () => parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  while (stat()?.alive === true) await new Promise((wake) => setTimeout(wake, 5))
  t.equal(sendSignal({ pid, started: stat()?.started ?? 0 }, 'SIGTERM', true), false)

  const running = parseStat(readFileSync(`/proc/${parent.pid}/stat`, 'utf8'))
  const target = { pid: parent.pid ?? 0, started: running?.started ?? 0 }
  t.throws(() => sendSignal(target, 'SIGNONE' as NodeJS.Signals, true), { code: 'HOST_SIGNAL_FAILED' })
  t.throws(() => sendSignal(target, 'SIGTERM', false), { code: 'HOST_NOT_LIVE' })
  const ended = once(parent, 'exit')
  t.equal(sendSignal(target, 'SIGTERM', true), true)
  t.strictSame(await ended, [null, 'SIGTERM'])
  t.equal(sendSignal(target, 'SIGTERM', true), false)
})
