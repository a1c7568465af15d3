import { pamProfilePath as pathOf, renderPamProfile as renderProfile } from '@puppy/host'

/** Options of `renderPamProfile`. */
export interface PamProfileOptions {
  /** The group whose members' sessions are moved. Default: `puppy-tenants`. */
  readonly group?: string
  /** The title of the profile in the menu of pam-auth-update(8). */
  readonly title?: string
}

/** The path where pam-auth-update(8) of Debian finds the profile. */
export const pamProfilePath: string = pathOf('puppy-cgroups')

/**
 * Renders a profile for pam-auth-update(8) that moves every session of a member of the group into the slice of that member. Pure.
 *
 * cron and at use `common-session-noninteractive`, which has no pam_systemd on Debian. So their processes stay in `cron.service`, outside
 * every limit of the user. If the group cannot be resolved, no session is moved, as without the profile.
 *
 * @throws RangeError for a group or title that a line of PAM cannot contain.
 * @see pam_systemd(8), pam_succeed_if(8)
 */
export function renderPamProfile({
  group = 'puppy-tenants',
  title = `Slices for members of ${group}`,
}: PamProfileOptions = {}): string {
  return renderProfile({ group, title, module: 'pam_systemd.so' })
}

/**
 * The SELinux policy module for `semodule -i FILE.cil`. On machines with SELinux, install it before the profile. pam_systemd passes a
 * descriptor of the cron process to logind. The policy of Debian 13 denies this and logs nothing. logind is then disconnected from the bus,
 * and **no user can log in as usual until logind is restarted**. The same happens after `su` from a shell of root, so there is a rule for
 * programs without a domain of their own too: new sessions of tenants would be outside their slices.
 */
export const pamPolicy = `(allow systemd_logind_t crond_t (fd (use)))
(allow systemd_logind_t crond_t (dir (getattr open read search)))
(allow systemd_logind_t crond_t (file (getattr open read)))
(allow systemd_logind_t crond_t (lnk_file (read)))
(optional puppy_cgroups_unconfined (allow systemd_logind_t unconfined_t (fd (use))))
(optional puppy_cgroups_services (allow systemd_logind_t initrc_t (fd (use))))
`
