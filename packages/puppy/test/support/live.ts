/** Helpers for tests that run a whole Puppy on a machine that they may change. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { eventually } from './puppy.ts'

const checkout = fileURLToPath(new URL('../../../..', import.meta.url))
/** Why a whole Puppy cannot be started on this machine, or false. */
export const cannotStart: string | false =
  process.getuid?.() !== 0
    ? 'it needs root'
    : !existsSync('/run/systemd/system')
      ? 'systemd does not run this machine'
      : process.env['TESTBED_GUEST'] === undefined && ['/var/lib/puppy', '/etc/puppy'].some((path) => existsSync(path))
        ? 'a Puppy is installed on this machine'
        : false

interface Finished {
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end. Kills it after 400 s. */
export async function run(program: string, args: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 400_000, killSignal: 'SIGKILL' })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  // A program that reads no input may have ended before this.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  await once(child, 'close')
  return { code: child.exitCode, output }
}

/** Returns the arguments that `npm start` and `npm run puppy` pass to Node. */
export const puppyWords = (...words: readonly string[]) => [join(checkout, 'tools/bootstrap.mjs'), ...words]

/** Starts Puppy as the README describes, and waits until it prints that it is ready. */
export async function start(t: Test, attempts = 2): Promise<void> {
  // Fewer free slots than usual: a purge runs userdel for each, which takes seconds on an emulated machine.
  const env = { ...process.env, PUPPY_POOL: '2' }
  const child = spawn(process.execPath, puppyWords('up'), { cwd: checkout, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  for (const until = Date.now() + 600_000; !output.includes('Puppy is ready'); await sleep(200)) {
    if (child.exitCode !== null && attempts > 1 && /# Fatal error in|was ended by SIG(SEGV|TRAP|ILL)/.test(output)) {
      t.comment('V8 crashed, which happens under emulation; trying again')
      return start(t, attempts - 1)
    }
    if (child.exitCode !== null) throw new Error(`puppy up ended with ${child.exitCode}: ${output}`)
    if (Date.now() > until) throw new Error(`puppy up is not ready after 10 minutes: ${output}`)
  }
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** Sends a request. An answer 202 becomes what a faster machine answers: the wait for the observation goes on here. */
export async function api(method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await send(method, path, body)
  if (answer.status !== 202) return answer
  const { generation } = answer.body
  return eventually(
    `${method} ${path} is observed`,
    async () => {
      const now = await send('GET', path)
      // The body of an error has neither.
      const isObserved = now.status === 200 && now.body['observedGeneration'] === now.body['generation']
      return isObserved ? { status: generation === 1 ? 201 : 200, body: now.body } : undefined
    },
    480,
  )
}

async function send(method: string, path: string, body?: unknown): Promise<Answer> {
  const key = readFileSync('/var/lib/puppy/admin-key', 'utf8').trim()
  const response = await fetch(`http://127.0.0.1:8420/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      prefer: 'wait=60',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

/** Returns the conditions of an account or a domain as words: `limits true applied`. */
export function conditionsOf(body: Record<string, unknown>): readonly string[] {
  const conditions = body['conditions'] as readonly Record<string, string>[]
  return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`)
}

/** An account as the API shows it. */
export interface Tenant {
  readonly user: string
  readonly uid: number
  readonly home: string
  readonly ports: readonly number[]
}

export const tenantOf = (body: Record<string, unknown>): Tenant => body as unknown as Tenant

/** Removes everything that Puppy created on this machine. Does nothing when nothing is there. */
export async function purge(): Promise<void> {
  const isPurged = ['/var/lib/puppy', '/etc/puppy', '/run/puppy'].every((path) => !existsSync(path))
  if (!isPurged) await run(process.execPath, puppyWords('down', '--purge'))
}

/** Creates an ssh key in a folder, and the function that logs a tenant in with it, and more options of ssh, and runs a line there. */
export async function createKey(keys: string) {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'anna', '-f', `${keys}/key`])
  const key = readFileSync(`${keys}/key.pub`, 'utf8').trim()
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'BatchMode=yes']
  const login = ({ user }: Tenant, line: string, ...more: readonly string[]) =>
    run('ssh', [
      '-F',
      'none',
      '-i',
      `${keys}/key`,
      ...options.flatMap((o) => ['-o', o]),
      ...more,
      `${user}@127.0.0.1`,
      `. /etc/profile; ${line}`,
    ])
  return { key, login }
}
