import type { Command, Host } from '@puppy/host'
import { programOf } from '../program.ts'
import { copyContext } from './copy-context.ts'

/** What `find` prints after the command when that ended well. `find` itself ends with 0 whatever the command did. */
export const endedWell = 'ended well\n'

/**
 * Returns passwd(5) without the lines of some users. Pure.
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
 * Returns a command that runs another one in a mount namespace of its own, where `/etc/passwd` lacks some users.
 *
 * For every login in the policy whose user exists, each transaction writes 170 lines of file contexts, and each restorecon(8) reads them all.
 * Homes of tenants have the same types as all homes, and their levels are not among these lines.
 *
 * @param folder a folder of ours, for the other `/etc/passwd`
 * @returns the command as it is when no such user exists.
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
  await copyContext(host, '/etc/passwd', [path])
  // One after the other without a shell: find runs the next when the one before ended well, and then prints.
  const sequence = ['-exec', programOf(host, 'mount'), '--bind', path, '/etc/passwd', ';', '-exec', ...command, ';']
  const find = [programOf(host, 'find'), '/', '-maxdepth', '0', ...sequence, '-printf', 'ended well\\n']
  return [programOf(host, 'unshare'), '--mount', '--propagation', 'private', '--', ...find]
}
