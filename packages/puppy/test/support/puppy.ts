import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, isRoot, scratchFolder, type Cleanup } from '@puppy/host/testing'
import { testCluster } from '@puppy/state/testing'

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** Why a whole Puppy cannot be started here, or false. */
export const cannotRun: string | false = !isRoot
  ? 'needs root: files are given to tenants'
  : ['/usr/sbin/haproxy', '/usr/bin/systemd-sysusers', '/usr/bin/systemd-tmpfiles'].find(
        (path) => !existsSync(path),
      ) !== undefined
    ? 'needs haproxy, systemd-sysusers and systemd-tmpfiles'
    : false

/** A whole Puppy below a folder. */
export interface Puppy {
  readonly root: string
  readonly env: Readonly<Record<string, string>>
  readonly proxyPort: number
  readonly stateDir: string
  readonly runDir: string
  /** Starts `puppy up` and waits until it is ready. */
  up(): Promise<Running>
  /** Runs another command of `puppy` to its end. */
  command(...args: string[]): Promise<Finished>
  /** Returns the pid in a pid file. */
  pidOf(name: 'api' | 'agent' | 'up' | 'haproxy' | 'postgres'): number
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiAnswer>
  /** Returns the answer of the proxy for a visitor. */
  visit(host: string, path?: string): Promise<{ readonly status: number; readonly body: string }>
}

export interface Running {
  readonly process: ChildProcess
  readonly output: () => string
  /** Sends SIGTERM and waits until it ends. Returns the exit code. */
  end(): Promise<number | null>
}

export interface Finished {
  readonly code: number | null
  readonly output: string
}

export interface ApiAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export interface PuppyOptions {
  readonly firstPort: number
  readonly env?: Record<string, string>
  /** Whether the database is created as on a new host, and not copied from that of the test runner. */
  readonly fresh?: boolean
}

/** Creates a whole Puppy below a scratch folder: real PostgreSQL, real HAProxy and real files. Of this machine it uses only ports. */
export async function createPuppy(t: Cleanup, options: PuppyOptions): Promise<Puppy> {
  const root = scratchFolder(t)
  const [listen, proxyPort] = [await freePort(), await freePort()]
  const stateDir = join(root, 'var/lib/puppy')
  const runDir = join(stateDir, 'run')
  const env = {
    PATH: process.env['PATH'] ?? '',
    NODE_NO_WARNINGS: '1',
    PUPPY_ROOT: root,
    PUPPY_HOST: 'h1',
    PUPPY_LISTEN: `127.0.0.1:${listen}`,
    PUPPY_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    PUPPY_FIRST_PORT: String(options.firstPort),
    ...options.env,
  }
  const puppy: Puppy = {
    root,
    env,
    proxyPort,
    stateDir,
    runDir,
    up: () => startUp(t, env),
    command: (...args) => runCommand(env, args),
    pidOf: (name) => pidOf(stateDir, runDir, name),
    api: (method, path, body, headers) =>
      callApi(`http://127.0.0.1:${listen}${path}`, join(stateDir, 'admin-key'), method, body, headers),
    visit: (host, path = '/') => visit(proxyPort, host, path),
  }
  const cluster = process.env[testCluster]
  if (cluster !== undefined && options.fresh !== true) {
    mkdirSync(stateDir, { recursive: true })
    await promisify(execFile)('cp', ['-a', '--', cluster, join(stateDir, 'postgres')])
  }
  // Added after the teardown that removes the folder, so that it runs before it: all processes end before the folder is removed. Without
  // --purge, which runs three programs for each tenant.
  t.teardown(async () => {
    const { code, output } = await runCommand(env, ['down'])
    if (code !== 0) console.error(output)
  })
  return puppy
}

async function startUp(t: Cleanup, env: Readonly<Record<string, string>>): Promise<Running> {
  const child = spawn(process.execPath, [cli, 'up'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = once(child, 'exit')
  const end = async () => {
    child.kill('SIGTERM')
    await ended
    return child.exitCode
  }
  t.teardown(end)
  while (!output.includes('Puppy is ready')) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`puppy up ended with ${child.exitCode ?? child.signalCode}: ${output}`)
    await sleep(20)
  }
  return { process: child, output: () => output, end }
}

/** Runs a command of `puppy` to its end. A failure does not throw. */
export async function runCommand(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  cwd = '/',
): Promise<Finished> {
  const child = spawn(process.execPath, [cli, ...args], { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  return { code: child.exitCode, output }
}

function pidOf(stateDir: string, runDir: string, name: string): number {
  const files = {
    postgres: join(stateDir, 'postgres/data/postmaster.pid'),
    haproxy: join(runDir, 'haproxy/haproxy.pid'),
  }
  const file = name === 'postgres' || name === 'haproxy' ? files[name] : join(runDir, `${name}.pid`)
  return Number(readFileSync(file, 'utf8').split(/\s/)[0])
}

async function callApi(
  url: string,
  keyFile: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${readFileSync(keyFile, 'utf8').trim()}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

/** Returns the answer of the proxy for a host name. Uses node:http, because fetch() does not set the Host header. */
export function visit(
  port: number,
  host: string,
  path: string,
  patience = 10_000,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', path, headers: { host }, agent: false, timeout: patience },
      (response) => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    request.on('timeout', () => request.destroy(new Error(`no answer in ${patience} ms`)))
    request.on('error', reject)
    request.end()
  })
}

/** Starts a server that answers with a name on a port of 127.0.0.1, like a tenant's server. */
export async function serveName(t: Cleanup, port: number, name: string): Promise<Server> {
  const server = createServer((_request, response) => response.end(name))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

/** An emulated guest is several times slower than a real host, and slower still while its host is busy. */
const patience = process.env['TESTBED_GUEST'] === undefined ? 1 : 4

/** Repeats an attempt until it returns a value. @throws Error with `what` when the time, longer in a guest, is over. */
export async function eventually<Value>(
  what: string,
  attempt: () => Promise<Value | undefined>,
  seconds = 30,
): Promise<Value> {
  for (const until = Date.now() + seconds * patience * 1000; ; await sleep(100)) {
    const value = await attempt().catch(() => undefined)
    if (value !== undefined) return value
    if (Date.now() > until) throw new Error(`Waited ${seconds * patience} s for: ${what}`)
  }
}
