import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execa } from 'execa'
import { TestbedError } from './errors.ts'
import { tail } from './build.ts'

/** What it takes to log in to a guest. */
export interface Reachable {
  readonly name: string
  /** Holds `known_hosts` and the socket of the connection. */
  readonly folder: string
  /** The port of 127.0.0.1 that leads to its sshd. */
  readonly port: number
}

/**
 * The words that lead ssh into a guest. Run in the guest's folder: every path is relative, so none needs quoting.
 *
 * The host key is the image's and must match. Connections go through one that stays open, where there is one.
 */
export function sshWords(port: number): readonly string[] {
  const options = {
    BatchMode: 'yes',
    ConnectTimeout: '60',
    ControlPath: 'ssh.sock',
    HostKeyAlias: 'testbed',
    IdentitiesOnly: 'yes',
    LogLevel: 'ERROR',
    Port: String(port),
    // A guest that has died keeps its connections: QEMU answers for it. Five minutes, because an emulated one may be busy.
    ServerAliveCountMax: '10',
    ServerAliveInterval: '30',
    StrictHostKeyChecking: 'yes',
    User: 'root',
    UserKnownHostsFile: 'known_hosts',
  }
  const words = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  return ['-F', 'none', '-i', '../../../key', ...words]
}

/** Opens the connection that the others go through. It ends with the guest, or by `closeConnection`. */
export async function openConnection(guest: Reachable): Promise<void> {
  const words = [...sshWords(guest.port), '-f', '-N', '-o', 'ControlMaster=yes', '127.0.0.1']
  const result = await execa('ssh', words, { cwd: guest.folder, stdio: ['ignore', 'ignore', 'ignore'], reject: false })
  if (result.failed) throw new TestbedError(`Cannot log in to ${guest.name} by ssh on 127.0.0.1:${guest.port}`)
}

export async function closeConnection(guest: Omit<Reachable, 'name'>): Promise<void> {
  const words = [...sshWords(guest.port), '-O', 'exit', '127.0.0.1']
  await execa('ssh', words, { cwd: guest.folder, stdio: ['ignore', 'ignore', 'ignore'], reject: false })
}

export interface RunInGuest {
  readonly input?: string
  /** Milliseconds. Default one minute. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** Runs a line in the guest's shell as root, and returns what it printed. @throws TestbedError with what it said. */
export async function runInGuest(guest: Reachable, line: string, options: RunInGuest = {}): Promise<string> {
  const result = await execa('ssh', [...sshWords(guest.port), '127.0.0.1', line], {
    cwd: guest.folder,
    timeout: options.timeout ?? 60_000,
    maxBuffer: 256 * 2 ** 20,
    reject: false,
    ...(options.input === undefined ? { stdin: 'ignore' } : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  })
  if (!result.failed) return result.stdout
  throw new TestbedError(
    `In ${guest.name}, "${line.slice(0, 80)}" failed: ${tail(`${result.stderr}\n${result.shortMessage}`)}`,
  )
}

/** Runs a line in the guest with our own standard streams, and returns its exit code. Nothing: a login shell. */
export async function attachToGuest(guest: Reachable, line: string | undefined, signal: AbortSignal): Promise<number> {
  const terminal = line === undefined || process.stdin.isTTY ? ['-t'] : []
  const words = [...sshWords(guest.port), ...terminal, '127.0.0.1', ...(line === undefined ? [] : [line])]
  const child = spawn('ssh', words, { cwd: guest.folder, stdio: 'inherit' })
  const stop = () => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  const [code] = (await once(child, 'exit')) as [number | null]
  signal.removeEventListener('abort', stop)
  return code ?? 1
}
