import type { Command } from './command.ts'
import type { Host } from './host.ts'

/**
 * Returns the command that runs a program as a user, without any privilege and without a way to gain one: no supplementary group, no
 * capability, an empty bounding set, and no effect of set-user-ID programs or of file capabilities. setpriv replaces itself by the program,
 * so the process keeps its pid. Needs root.
 *
 * @see setpriv(1), capabilities(7), PR_SET_NO_NEW_PRIVS in prctl(2)
 */
export function unprivileged(
  host: Pick<Host, 'program'>,
  user: { readonly uid: number; readonly gid: number },
  command: Command,
): Command {
  return [
    host.program('setpriv') ?? '/usr/bin/setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--',
    ...command,
  ]
}
