import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHost, HostError } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import { readProcesses, readStatus, type ProcessStatus } from '@puppy/host/proc'
import t from 'tap'
import { endProcesses } from '../../src/release/end.ts'
import { killUids } from '../../src/release/kill.ts'
import { whyNot } from '../support/scratch.ts'

const host = createHost()
/** Uids of no user, in a range that no distribution assigns. */
const [attacker, neighbour] = [59_871, 59_872] as const
const skip = whyNot('setpriv')

/** Programs of a hostile tenant, for Node. Each says `ready` once and then attacks until it is killed. */
const attacks: Readonly<Record<string, string>> = {
  'stops all that it can signal': `for (;;) try { process.kill(-1, 'SIGSTOP') } catch {}`,
  'kills all that it can signal': `for (;;) try { process.kill(-1, 'SIGKILL') } catch {}`,
  'continues and stops all that it can signal': `for (;;) for (const signal of ['SIGCONT', 'SIGSTOP']) try { process.kill(-1, signal) } catch {}`,
  'ignores all signals that it can': `for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => {}); setInterval(() => {}, 1000)`,
  'starts processes in their own sessions': `const { spawn } = require('node:child_process'); for (let n = 0; n < 30; n += 1) spawn('/bin/sh', ['-c', 'while :; do sleep 0.01; done'], { detached: true, stdio: 'ignore' })`,
}

async function start(uid: number, script: string): Promise<ChildProcess> {
  const words = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups', process.execPath, '--eval', script]
  const child = spawn('/usr/bin/setpriv', words, { cwd: '/', stdio: ['ignore', 'pipe', 'inherit'], env: {} })
  await once(child.stdout, 'data')
  return child
}

const aliveOf = async (uid: number) =>
  (await readProcesses(host)).filter((process) => process.alive && process.uids.includes(uid))

for (const [title, script] of Object.entries(attacks)) {
  void t.test(`endProcesses() ends a program that ${title}, and not its neighbour`, { skip }, async (t) => {
    const innocent = await start(neighbour, `console.log('ready'); setInterval(() => {}, 1000)`)
    t.teardown(() => innocent.kill('SIGKILL'))
    const child = await start(attacker, `console.log('ready'); ${script}`)
    t.teardown(() => child.kill('SIGKILL'))
    await sleep(50)
    const before = performance.now()
    const { left, ended } = await endProcesses(host, [attacker])
    t.strictSame(left, [])
    t.ok((ended.get(attacker) ?? 0) > 0, 'it counts what it ended')
    t.ok(performance.now() - before < 10_000, `after ${Math.round(performance.now() - before)} ms`)
    t.strictSame(await aliveOf(attacker), [])
    t.equal((await readStatus(host, innocent.pid!))?.state, 'S', 'the neighbour runs')
  })
}

/** Runs a program of the attacker and returns what it prints. */
async function ask(script: string): Promise<string> {
  const words = [
    '--reuid',
    `${attacker}`,
    '--regid',
    `${attacker}`,
    '--clear-groups',
    process.execPath,
    '--eval',
    script,
  ]
  return (await host.run(['/usr/bin/setpriv', ...words], { touches: 'nothing' })).stdout.trim()
}

void t.test('a tenant can neither signal nor read a program with its effective uid alone', { skip }, async (t) => {
  const words = ['--ruid=65532', '--rgid=65532', '--clear-groups', '--', process.execPath, '--eval']
  const script = `process.seteuid(${attacker}); console.log('ready'); setInterval(() => {}, 1000)`
  const helper = spawn('/usr/bin/setpriv', [...words, script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => helper.kill('SIGKILL'))
  await once(helper.stdout, 'data')
  t.strictSame((await readStatus(host, helper.pid!))?.uids, [65_532, attacker, 0, attacker])
  for (const signal of ['SIGSTOP', 'SIGKILL', 'SIGTERM'])
    t.equal(
      await ask(`try { process.kill(${helper.pid}, '${signal}') } catch (error) { console.log(error.code) }`),
      'EPERM',
    )
  for (const file of ['fd', 'mem', 'root', 'cwd'])
    t.match(
      await ask(
        `try { require('node:fs').readlinkSync('/proc/${helper.pid}/${file}/1') } catch (error) { console.log(error.code) }`,
      ),
      /^(EACCES|EPERM|ENOTDIR)$/,
    )
  t.equal((await readStatus(host, helper.pid!))?.state, 'S')
})

void t.test('killUids() chooses a uid that has no process, and runs nothing without one', async (t) => {
  const busy = (uid: number) => ({ uids: [uid, uid, uid, uid] }) as unknown as ProcessStatus
  const machine = createFakeHost({ programs: { '/usr/bin/setpriv': () => ({}) } })
  await killUids(machine, [10_000], [busy(65_520), busy(65_521), busy(0)], {})
  t.matchOnlyStrict(machine.commands, [
    [
      '/usr/bin/setpriv',
      '--ruid=65522',
      '--rgid=65522',
      '--clear-groups',
      '--',
      process.execPath,
      '--eval',
      /SIGKILL/,
      '--',
      '65522',
      '10000',
    ],
  ])
  const all = Array.from({ length: 14 }, (_, at) => busy(65_520 + at))
  await killUids(machine, [10_000], all, {})
  t.equal(machine.commands.length, 1)
})

void t.test('killUids() ignores that its program was killed or hung, and reports that it failed', async (t) => {
  const failing = (facts: object) => async () => {
    throw new HostError('HOST_PROGRAM_FAILED', { operation: 'run setpriv', ...facts })
  }
  const machine = (program: () => Promise<object>) => createFakeHost({ programs: { '/usr/bin/setpriv': program } })
  await killUids(machine(failing({ detail: 'terminated by SIGKILL' })), [10_000], [], {})
  await t.rejects(killUids(machine(failing({ exitCode: 1 })), [10_000], [], {}), { code: 'HOST_PROGRAM_FAILED' })
  const aborted = { signal: AbortSignal.abort() }
  await t.rejects(
    killUids(
      machine(async () => ({})),
      [10_000],
      [],
      aborted,
    ),
    { code: 'HOST_ABORTED' },
  )
})
