import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execa } from 'execa'
import { TestbedError } from './errors.ts'
import { tail } from './build.ts'

/** What is needed to log in to a guest. */
export interface Reachable {
  readonly name: string
  /** The folder with `known_hosts` and the socket of the shared connection. */
  readonly folder: string
  /** The port of 127.0.0.1 that leads to its sshd. */
  readonly port: number
}

/**
 * Returns the arguments of ssh for a guest. ssh runs in the guest's folder: every path is relative, so no path needs quoting. Pure.
 *
 * The host key must be that of the image. If a shared connection is open, ssh uses it.
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
    // The connections to a guest that hangs stay open, because QEMU answers. Five minutes, because an emulated guest may be busy.
    ServerAliveCountMax: '10',
    ServerAliveInterval: '30',
    StrictHostKeyChecking: 'yes',
    User: 'root',
    UserKnownHostsFile: 'known_hosts',
  }
  const words = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  return ['-F', 'none', '-i', '../../../key', ...words]
}

/** Opens the shared connection. It ends with the guest or by `closeConnection`. @throws TestbedError */
export async function openConnection(guest: Reachable): Promise<void> {
  const words = [...sshWords(guest.port), '-f', '-N', '-o', 'ControlMaster=yes', '127.0.0.1']
  const result = await execa('ssh', words, { cwd: guest.folder, stdio: ['ignore', 'ignore', 'ignore'], reject: false })
  if (result.failed) throw new TestbedError(`Cannot log in to ${guest.name} by ssh on 127.0.0.1:${guest.port}`)
}

/** Closes the shared connection, if it is open. */
export async function closeConnection(guest: Omit<Reachable, 'name'>): Promise<void> {
  const words = [...sshWords(guest.port), '-O', 'exit', '127.0.0.1']
  await execa('ssh', words, { cwd: guest.folder, stdio: ['ignore', 'ignore', 'ignore'], reject: false })
}

/** Options of `runInGuest`. */
export interface RunInGuest {
  /** The text for standard input. */
  readonly input?: string
  /** Milliseconds. Default: one minute. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** Runs a line in the guest's shell as root. Returns its standard output. @throws TestbedError with the end of its standard error. */
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
    `Cannot run "${line.slice(0, 80)}" in ${guest.name}: ${tail(`${result.stderr}\n${result.shortMessage}`)}`,
  )
}

/** Runs a line in the guest, or a login shell, with the standard streams of this process. Returns the exit code. */
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
