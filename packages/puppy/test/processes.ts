import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHost } from '@puppy/host'
import { identifyProcess } from '@puppy/host/process'
import { firstOutput } from '@puppy/host/testing'
import t, { type Test } from 'tap'
import { endFirmly } from '../src/processes.ts'

const machine = createHost()

async function start(t: Test, script: string) {
  const child = spawn('/bin/sh', ['-c', `${script}; echo ready; while :; do sleep 0.01; done`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await firstOutput(child)
  const found = await identifyProcess(machine, child.pid ?? 0)
  if (found === undefined) throw new Error('it has ended already')
  return { child, found, ended: once(child, 'exit') }
}

void t.test('endFirmly() sends only SIGTERM to a process that ends', async (t) => {
  const { child, found, ended } = await start(t, "trap 'exit 7' TERM")
  await endFirmly(machine, found, 60_000)
  await ended
  t.strictSame([child.exitCode, child.signalCode], [7, null])
})

void t.test('endFirmly() sends SIGKILL to a process that does not end', async (t) => {
  const { child, found, ended } = await start(t, "trap '' TERM")
  await endFirmly(machine, found, 50)
  await ended
  t.equal(child.signalCode, 'SIGKILL')
})

void t.test('endFirmly() does not signal another process with the same pid', async (t) => {
  const { child, found } = await start(t, ':')
  await endFirmly(machine, { ...found, started: found.started - 1 }, 50)
  t.strictSame([child.exitCode, child.signalCode], [null, null])
})
