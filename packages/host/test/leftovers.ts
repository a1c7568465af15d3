import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { endLeftovers, marksVariable } from '../src/leftovers.ts'
import { isRoot } from './support/index.ts'

const nobody = 65_534
const notRoot = { skip: isRoot ? false : 'needs root: a process of another user' }

async function begin(t: Test, marks: string, options: object = {}): Promise<ChildProcess> {
  const child = spawn('/bin/sleep', ['60'], { env: { [marksVariable]: marks }, stdio: 'ignore', ...options })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child
}

void t.test('endLeftovers() returns the pids of programs with the mark, and does not end them too early', async (t) => {
  const [one, two, other] = [await begin(t, '1.1'), await begin(t, '7.7,1.1'), await begin(t, '1.11')]
  const pids = await endLeftovers('1.1', { timeout: 0 })
  t.strictSame(new Set(pids), new Set([one.pid, two.pid]))
  t.strictSame(await endLeftovers('1.1', { timeout: 500 }), [], 'they are ended after half of the time')
  t.strictSame([one.signalCode, two.signalCode], ['SIGKILL', 'SIGKILL'])
  t.strictSame([other.exitCode, other.signalCode], [null, null], 'a program with another mark continues')
})

void t.test('endLeftovers() ends a stopped program at once, and stops when it is aborted', async (t) => {
  const child = await begin(t, '2.2')
  child.kill('SIGSTOP')
  while (!/^State:\tT/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8')));
  t.strictSame(await endLeftovers('2.2', { timeout: 600_000, signal: AbortSignal.timeout(30_000) }), [])
  t.equal(child.signalCode, 'SIGKILL')
  await begin(t, '3.3')
  const reason = new Error('enough')
  await t.rejects(endLeftovers('3.3', { timeout: 600_000, signal: AbortSignal.abort(reason) }), reason)
})

void t.test('endLeftovers() does not trust the environment of another user', notRoot, async (t) => {
  const forger = await begin(t, '4.4', { uid: nobody, gid: nobody })
  t.strictSame(await endLeftovers('4.4', { timeout: 500 }), [])
  t.strictSame([forger.exitCode, forger.signalCode], [null, null])
  t.strictSame(await endLeftovers('4.4', { timeout: 0, users: [nobody] }), [forger.pid], 'unless the caller names it')
})
