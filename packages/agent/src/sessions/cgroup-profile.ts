import { pamPolicy, pamProfilePath, renderPamProfile } from '@puppy/cgroups'
import type { SessionProfile } from './profile.ts'

/** The name of the SELinux module with the rules that pam_systemd needs in sessions of cron. */
export const cgroupModule = 'puppy_cgroups'

/** Returns the profile that puts cron and at jobs of tenants into their slices. Sessions of ssh are there without it. */
export function cgroupProfile(group: string): SessionProfile {
  const text = renderPamProfile({ group, title: 'Limits of Puppy for cron jobs of its tenants' })
  return {
    facility: 'cgroups',
    without: 'cron and at jobs of tenants run outside the limits of their accounts',
    group,
    module: 'pam_systemd.so',
    stacks: ['/etc/pam.d/common-session-noninteractive'],
    folders: [],
    files: [{ path: pamProfilePath, text, mode: 0o644 }],
    policyModule: { name: cgroupModule, text: pamPolicy },
  }
}
