/** Options of `renderPamProfile`. */
export interface PamProfileOptions {
  /** The group whose members' sessions are changed. */
  readonly group: string
  /** What the profile is called in the menu of pam-auth-update(8): plain words. */
  readonly title: string
  /** A module and its arguments: `pam_systemd.so`. It is optional: a session that it fails for goes on. */
  readonly module: string
}

/**
 * Renders a profile for pam-auth-update(8): a module for every session of a group's members. Pure.
 *
 * Where the group cannot be looked up, sessions are as they are without the profile.
 *
 * @throws RangeError for a group, title or module that a line of PAM cannot hold
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
    // For others the next line is left out. PAM refuses a jump beyond the last line, so the jump is over one that is there.
    `\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup ${group}`,
    `\toptional ${module}`,
    '',
  ].join('\n')
}

/** Returns the path of a profile, where Debian's pam-auth-update(8) finds it. @throws RangeError for a name that is not a plain word */
export function pamProfilePath(name: string): string {
  if (!/^[a-z][a-z0-9-]{0,60}$/.test(name)) throw refused('name', name)
  return `/usr/share/pam-configs/${name}`
}

/** Returns whether a text can be the name of a group, or of a user, on every distribution. Pure. @see useradd(8) */
export function isGroupName(text: string): boolean {
  return /^[a-z_][a-z0-9_-]{0,31}$/.test(text)
}

function refused(what: string, value: string): RangeError {
  return new RangeError(`A profile of PAM cannot have the ${what} ${JSON.stringify(value)}`)
}
