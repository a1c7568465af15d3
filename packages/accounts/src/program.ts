import type { Host, Reach, RunOptions } from '@puppy/host'
import type { EffectOptions } from './change.ts'
import { AccountError } from './errors.ts'

/** The Debian package of each program that we run. */
const packages = {
  find: 'findutils',
  getent: 'libc-bin',
  groupdel: 'passwd',
  ipcrm: 'util-linux',
  kill: 'procps',
  rm: 'coreutils',
  setpriv: 'util-linux',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  'systemd-sysusers': 'systemd-standalone-sysusers',
  'systemd-tmpfiles': 'systemd-standalone-tmpfiles',
  umount: 'mount',
  userdel: 'passwd',
  usermod: 'passwd',
} as const

/** A program that this package runs. */
export type Program = keyof typeof packages

/**
 * Finds a program, or says which Debian package brings it. Fedora's standalone systemd tools end in `.standalone`.
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`.
 */
export function findProgram(host: Host, name: Program): string {
  const path = host.program(name) ?? host.program(`${name}.standalone`)
  if (path !== undefined) return path
  throw new AccountError('ACCOUNT_PROGRAM_MISSING', {
    operation: 'run',
    target: name,
    detail: `it is not installed; Debian's package is ${packages[name]}`,
  })
}

/** What `Host.run` needs to know about a program: its reach, and the caller's signal and timeout. */
export function runOptions(touches: Reach, options: EffectOptions, more: Partial<RunOptions> = {}): RunOptions {
  const { signal, timeout = 120_000 } = options
  return { touches, timeout, ...(signal === undefined ? {} : { signal }), ...more }
}

/** `--root=DIR` for the systemd tools when the host is only a folder. */
export function rootArguments(host: Host): readonly string[] {
  return host.live ? [] : [`--root=${host.root}`]
}

/** Whether systemd runs as the machine's first process. @see sd_booted(3) */
export async function runsSystemd(host: Host): Promise<boolean> {
  return host.live && (await host.status('/run/systemd/system'))?.kind === 'folder'
}

/**
 * Whether a path can be handed to a program that follows links: on the machine itself always; below a root folder only
 * when every part of it is a real folder, because a link could lead out of that root.
 */
export async function isSafeFolder(host: Host, path: string): Promise<boolean> {
  const kind = (await host.status(path))?.kind
  if (host.live) return kind === 'folder' || kind === 'link'
  if (kind !== 'folder') return false
  const parent = path.slice(0, path.lastIndexOf('/'))
  return parent === '' || isSafeFolder(host, parent)
}
