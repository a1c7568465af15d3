/** Options of `renderPamProfile`. */
export interface PamProfileOptions {
  /** The module applies to sessions of the members of this group. */
  readonly group: string
  /** The title in the menu of pam-auth-update(8), in plain words. */
  readonly title: string
  /** A module and its arguments: `pam_systemd.so`. The module is optional: if it fails, the session continues. */
  readonly module: string
}

/**
 * Renders a profile for pam-auth-update(8) that adds a module to every session of the members of a group. Pure.
 *
 * If the group cannot be looked up, sessions are as without the profile.
 *
 * @throws RangeError for a group, title or module that cannot be written in a PAM configuration
 * @see pam-auth-update(8), pam_succeed_if(8), pam.conf(5)
 */
export function renderPamProfile({ group, title, module }: PamProfileOptions): string {
  if (!isGroupName(group)) throw refused('group', group)
  if (!/^[A-Za-z0-9 ,.()_-]{1,100}$/.test(title)) throw refused('title', title)
  if (!/^pam_[a-z0-9_]{1,50}\.so(?: [A-Za-z0-9_=./-]{1,100}){0,10}$/.test(module)) throw refused('module', module)
  return [
    `Name: ${title}`,
    'Default: yes',
    'Priority: 0',
    'Session-Type: Additional',
    'Session:',
    // For all other users PAM skips the next line. PAM refuses a jump beyond the last line, so the jump is over an existing line.
    `\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup ${group}`,
    `\toptional ${module}`,
    '',
  ].join('\n')
}

/** Returns the path of a profile in the folder of Debian's pam-auth-update(8). @throws RangeError for a name that is not a plain word */
export function pamProfilePath(name: string): string {
  if (!/^[a-z][a-z0-9-]{0,60}$/.test(name)) throw refused('name', name)
  return `/usr/share/pam-configs/${name}`
}

/** Returns whether a text is valid as the name of a group or user on every distribution. Pure. @see useradd(8) */
export function isGroupName(text: string): boolean {
  return /^[a-z_][a-z0-9_-]{0,31}$/.test(text)
}

function refused(what: string, value: string): RangeError {
  return new RangeError(`The ${what} ${JSON.stringify(value)} is invalid in a PAM profile`)
}
