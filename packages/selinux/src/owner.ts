import type { Command, Host } from '@puppy/host'
import { programOf } from './program.ts'

/** A group that nobody's files and processes have. */
const nogroup = 65_534

/**
 * Makes a command that runs with the rights of a user over files, in our own domain.
 *
 * Of a label the kernel asks who owns the file. So a program that goes by paths changes nothing of anybody else's, whatever the owner of a
 * tree makes of the paths in the meantime: a folder may become a link to `/etc` between a look and an act, and restorecon(8) would follow.
 *
 * The user cannot trace it and come into our domain so: ptrace(2) wants the same uid and the same gid.
 *
 * @throws SelinuxError `SELINUX_NOT_INSTALLED`.
 * @see setpriv(1), ptrace(2) about "access mode checking"
 */
export function asOwner(host: Host, uid: number, [name, ...args]: Command): Command {
  const operation = 'relabel'
  return [
    programOf(host, 'setpriv', operation),
    `--reuid=${uid}`,
    `--regid=${nogroup}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--',
    programOf(host, name, operation),
    ...args,
  ]
}
