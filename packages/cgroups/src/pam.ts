import { pamProfilePath as pathOf, renderPamProfile as renderProfile } from '@puppy/host'

/** Options of `renderPamProfile`. */
export interface PamProfileOptions {
  /** Whose sessions are moved. Default `puppy-tenants`. */
  readonly group?: string
  /** What the profile is called in the menu of pam-auth-update(8). */
  readonly title?: string
}

/** Where Debian's pam-auth-update(8) finds the profile. */
export const pamProfilePath: string = pathOf('puppy-cgroups')

/**
 * Renders a profile for pam-auth-update(8): every session of the group's members enters their own slice. Pure.
 *
 * Debian's `common-session-noninteractive`, which cron and at use, has no pam_systemd, so their processes stay in `cron.service`,
 * outside of every limit of the user. Where a group cannot be looked up no session is moved, as without the profile.
 *
 * @throws RangeError for a group or title that a line of PAM cannot hold.
 * @see pam_systemd(8), pam_succeed_if(8)
 */
export function renderPamProfile({
  group = 'puppy-tenants',
  title = `Slices for members of ${group}`,
}: PamProfileOptions = {}): string {
  return renderProfile({ group, title, module: 'pam_systemd.so' })
}

/**
 * What SELinux must allow before the profile is installed, for `semodule -i FILE.cil`: pam_systemd passes logind a descriptor of cron's
 * process. Debian 13's policy denies it and logs nothing. logind is then disconnected from the bus, and **no user can log in as usual
 * until logind is restarted**. Machines without SELinux need nothing.
 */
export const pamPolicy = `(allow systemd_logind_t crond_t (fd (use)))
(allow systemd_logind_t crond_t (dir (getattr open read search)))
(allow systemd_logind_t crond_t (file (getattr open read)))
(allow systemd_logind_t crond_t (lnk_file (read)))
`
