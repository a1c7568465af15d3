import type { Command, Host } from '@puppy/host'
import { programOf } from '../program.ts'
import { labelLike } from './label-like.ts'

const operation = 'hide the tenants from genhomedircon'

/** What a command is told to show when it ended well: `find` ends with 0 whatever the commands did that it ran. */
export const endedWell = 'ended well\n'

/**
 * Leaves the lines of some users out of passwd(5). Pure.
 *
 * @param hidden names of users
 */
export function withoutUsers(passwd: string, hidden: ReadonlySet<string>): string {
  return passwd
    .split('\n')
    .filter((line) => !hidden.has(line.slice(0, Math.max(0, line.indexOf(':')))))
    .join('\n')
}

/**
 * Makes a command that runs another where `/etc/passwd` lacks some users, for that command alone: a mount namespace of its own.
 *
 * For every login in the policy whose user is there, each transaction writes 170 lines of file contexts, and all of them are read by each
 * restorecon(8). Tenants' homes have the contexts that everybody's have; their levels are not written there anyhow.
 *
 * @param folder a folder of ours, for the other `/etc/passwd`
 * @returns the command as it was when no such user is there.
 * @see genhomedircon(8), unshare(1)
 */
export async function hiding(
  host: Host,
  command: Command,
  { users, folder }: { readonly users: ReadonlySet<string>; readonly folder: string },
): Promise<Command> {
  const passwd = (await host.read('/etc/passwd')) ?? ''
  const shown = withoutUsers(passwd, users)
  if (shown === passwd || !host.live) return command
  const path = `${folder}/passwd`
  await host.replace(path, shown, { mode: 0o644 })
  await labelLike(host, '/etc/passwd', [path])
  // One after the other without a shell: find runs the next when the one before ended well, and then shows it.
  const sequence = [
    '-exec',
    programOf(host, 'mount', operation),
    '--bind',
    path,
    '/etc/passwd',
    ';',
    '-exec',
    ...command,
    ';',
  ]
  const find = [programOf(host, 'find', operation), '/', '-maxdepth', '0', ...sequence, '-printf', 'ended well\\n']
  return [programOf(host, 'unshare', operation), '--mount', '--propagation', 'private', '--', ...find]
}
