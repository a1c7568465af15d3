import { CgroupError } from './errors.ts'

/** Options of `renderPamProfile`. */
export interface PamProfileOptions {
  /** Whose sessions are moved. Default `puppy-tenants`. */
  readonly group?: string
  /** What the profile is called in the menu of pam-auth-update(8). */
  readonly title?: string
}

/** Where Debian's pam-auth-update(8) finds profiles. */
export const pamProfilePath = '/usr/share/pam-configs/puppy-cgroups'

/**
 * Renders a profile for pam-auth-update(8): every session of the group's members enters their own slice. Pure.
 *
 * Debian's `common-session-noninteractive`, which cron and at use, has no pam_systemd, so their processes stay in `cron.service`,
 * outside of every limit of the user. Where a group cannot be looked up no session is moved, as without the profile.
 *
 * @throws CgroupError `CGROUP_INVALID` for a group or title that a line of PAM cannot hold.
 * @see pam_systemd(8), pam_succeed_if(8)
 */
export function renderPamProfile({
  group = 'puppy-tenants',
  title = `Slices for members of ${group}`,
}: PamProfileOptions = {}): string {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(group)) {
    throw new CgroupError('CGROUP_INVALID', {
      operation: 'use the group',
      value: group,
      detail: 'it is no name of a group',
    })
  }
  if (!/^[A-Za-z0-9 ,.()_-]{1,100}$/.test(title)) {
    throw new CgroupError('CGROUP_INVALID', { operation: 'use the title', value: title, detail: 'plain words only' })
  }
  return [
    `Name: ${title}`,
    'Default: yes',
    'Priority: 0',
    'Session-Type: Additional',
    'Session:',
    // Not a member: over the next line. PAM refuses a jump beyond the last line, so the jump is over one that is there.
    `\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup ${group}`,
    '\toptional pam_systemd.so',
    '',
  ].join('\n')
}

/**
 * What SELinux must allow before the profile is installed, for `semodule -i FILE.cil`: pam_systemd hands logind a descriptor of cron's
 * process. Debian 13's policy denies it without a word; logind is then thrown off the bus, and **no user can log in as usual until
 * it is started again**. Machines without SELinux need nothing.
 */
export const pamPolicy = `(allow systemd_logind_t crond_t (fd (use)))
(allow systemd_logind_t crond_t (dir (getattr open read search)))
(allow systemd_logind_t crond_t (file (getattr open read)))
(allow systemd_logind_t crond_t (lnk_file (read)))
`
