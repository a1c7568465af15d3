import type { SlotLayout } from '@puppy/accounts'
import { renderView, viewPolicy, type ViewFile } from '@puppy/accounts/view'
import type { SessionProfile } from './profile.ts'

/** The name of the SELinux module with the rules that a view needs. */
export const viewModuleName = 'puppy_view'

/** Returns the folder for the temporary folders of tenants. */
export function temporaryFolder({ homes }: Pick<SlotLayout, 'homes'>): string {
  return `${homes}/.temporary`
}

/** Returns the profile that limits what sessions of tenants see. */
export function viewProfile(layout: Pick<SlotLayout, 'homes' | 'group'>): SessionProfile & { readonly bus: ViewFile } {
  return {
    facility: 'view',
    without: 'tenants see the processes and the temporary files of other users',
    group: layout.group,
    module: 'pam_namespace.so',
    stacks: ['/etc/pam.d/common-session', '/etc/pam.d/common-session-noninteractive'],
    ...renderView({ group: layout.group, below: temporaryFolder(layout) }),
    policyModule: { name: viewModuleName, text: viewPolicy },
  }
}
