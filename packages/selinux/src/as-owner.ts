import type { Command, Host } from '@puppy/host'
import { programOf } from './program.ts'

/** A group that no file and no process of a user has. */
const nogroup = 65_534

/**
 * Returns a command that runs with the rights of a user over files, in the domain of this process.
 *
 * The kernel allows the owner of a file to change its context. Therefore a program that works by paths changes no file of another user,
 * even when the owner of a tree changes the paths meanwhile. For example, a folder may become a link to `/etc` after find(1) has seen it,
 * and restorecon(8) would follow the link.
 *
 * The user cannot trace the program to enter its domain: ptrace(2) requires the same uid and the same gid.
 *
 * @throws SelinuxError `SELINUX_NOT_INSTALLED`.
 * @see setpriv(1), ptrace(2) about "access mode checking"
 */
export function asOwner(host: Host, uid: number, command: Command): Command {
  return [
    programOf(host, 'setpriv'),
    `--reuid=${uid}`,
    `--regid=${nogroup}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--',
    ...command,
  ]
}
