import { hideEnd, showCommand } from './args.ts'
import type { Command, RunOptions, RunResult } from './command.ts'
import { HostError } from './errors.ts'
import type { Host } from './host.ts'

/** Options of `runWithPasswd`. */
export interface PasswdOptions {
  /** The file that the program sees as `/etc/passwd`, as a path of the machine. `/dev/null` has no users. */
  readonly passwd: string
  /** Arguments before the program that stay outside of its mount namespace: `/usr/sbin/ip netns exec NAME`. */
  readonly prefix?: readonly string[]
  /** What to do when the mount namespace cannot be created: `run` runs the program as it is, `fail` throws. */
  readonly whenRefused: 'run' | 'fail'
}

/** find(1) ends with 0 whatever the exit code of its programs, so it prints this line after a program that ended with 0. */
const marker = 'ended well\n'

/** Seconds between SIGTERM and SIGKILL, as in `Host.run`. */
const grace = '2'

/**
 * Runs a program as `Host.run` does, but with another file as its `/etc/passwd`, in a mount namespace of its own.
 *
 * nft(8) looks up every user id in that file, and genhomedircon(8) writes contexts for every user in it. Both are many times faster when
 * the tenants are not in the file. On a host that is only a folder the program runs as it is.
 *
 * An exit code other than 0 is reported as 1: find(1) runs the programs in sequence without a shell, and does not pass on their exit codes.
 * A program that still runs after the timeout is terminated, even when its caller has been killed.
 *
 * @throws HostError as `Host.run`
 * @throws TypeError for an argument that find(1) would not pass on unchanged: `;`, or one that contains `{}`
 * @see unshare(1), find(1), timeout(1)
 */
export async function runWithPasswd(
  host: Host,
  command: Command,
  { passwd, prefix = [], whenRefused }: PasswdOptions,
  options: RunOptions,
): Promise<RunResult> {
  const direct = () => host.run([...prefix, ...command] as unknown as Command, options)
  const inside = hidden(host, command, { passwd, whenRefused, timeout: options.timeout ?? 30_000 })
  if (inside === undefined) return direct()
  const accept = options.accept ?? [0]
  const result = await host.run([...prefix, ...inside] as unknown as Command, { ...options, accept: [0, 1] })
  if (result.exitCode !== 0 && whenRefused === 'run' && isRefused(result.stderr)) return direct()
  const { stdout, stderr } = result
  const well = stdout.endsWith(marker)
  if (well && accept.includes(0)) return { exitCode: 0, stdout: stdout.slice(0, -marker.length), stderr }
  if (!well && accept.includes(1)) return { exitCode: 1, stdout, stderr }
  const secrets = options.secrets ?? []
  throw new HostError('HOST_PROGRAM_FAILED', {
    operation: `run ${command[0].slice(command[0].lastIndexOf('/') + 1)}`,
    command: showCommand(command, secrets),
    exitCode: well ? 0 : 1,
    stderr: hideEnd(stderr, secrets, 2000),
  })
}

/** unshare(1) prints this prefix before anything has run. */
function isRefused(stderr: string): boolean {
  return stderr.startsWith('unshare: ')
}

/** Returns the command to run, or undefined when the program must run as it is. */
function hidden(
  host: Host,
  command: Command,
  { passwd, whenRefused, timeout }: Pick<PasswdOptions, 'passwd' | 'whenRefused'> & { readonly timeout: number },
): readonly string[] | undefined {
  const wrong = [passwd, ...command].find((word) => word === ';' || word.includes('{}'))
  if (wrong !== undefined)
    throw new TypeError(`find(1) does not pass on the argument ${JSON.stringify(wrong)} unchanged`)
  const [unshare, find, mount, end] = (['unshare', 'find', 'mount', 'timeout'] as const).map((name) =>
    host.program(name),
  )
  if (!host.live) return undefined
  if (unshare === undefined || find === undefined || mount === undefined || end === undefined) {
    if (whenRefused === 'run') return undefined
    const detail = 'it needs unshare, find, mount and timeout; to enable it: apt-get install util-linux findutils mount'
    throw new HostError('HOST_PROGRAM_NOT_FOUND', { operation: 'run a program with another /etc/passwd', detail })
  }
  const seconds = String(Math.ceil(timeout / 1000) + 1)
  const run = ['-exec', end, `--kill-after=${grace}`, seconds, ...command, ';', '-printf', marker.replace('\n', '\\n')]
  const bind = ['-exec', mount, '--bind', passwd, '/etc/passwd', ';']
  // The program runs only once: the part after -o runs only if the mount was refused.
  const words = ['(', ...bind, '(', ...run, '-o', '-true', ')', ...(whenRefused === 'run' ? ['-o', ...run] : []), ')']
  return [unshare, '--mount', '--propagation', 'private', '--', find, '/', '-maxdepth', '0', ...words]
}
