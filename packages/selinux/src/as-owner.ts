import type { Command, Host } from '@puppy/host'
import { programOf } from './program.ts'

/** A group that no file and no process of a user has. */
const nogroup = 65_534

/**
 * Returns a command that runs with the rights of a user over files, in our own domain.
 *
 * The kernel lets the owner of a file change its context. So a program that goes by paths changes no file of another user, whatever the owner
 * of a tree does to the paths meanwhile: a folder may become a link to `/etc` after find(1) has seen it, and restorecon(8) would follow.
 *
 * The user cannot trace the program to enter our domain: ptrace(2) wants the same uid and the same gid.
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
