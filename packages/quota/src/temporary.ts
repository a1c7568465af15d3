import { QuotaError } from './errors.ts'

export interface TemporaryOptions {
  /** Whose sessions get folders of their own. */
  readonly group: string
  /** A folder on the file system of the homes, where user quota counts: `/home/.temporary`. */
  readonly below: string
}

/** What gives a group's members temporary folders of their own, as values. Nothing is written. */
export interface Temporary {
  /** Folders that must be there first, all root's: the others are in the first one. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  /** Text files, mode 0644 and root's, in the order in which to write them. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

/** The shared folders, and what is made below for each. */
const shared = [
  ['/tmp', 'tmp'],
  ['/var/tmp', 'var-tmp'],
  ['/dev/shm', 'shm'],
] as const

/**
 * Renders what gives each member of a group a `/tmp`, `/var/tmp` and `/dev/shm` of its own, the same one in all its sessions, on the
 * file system where its user quota counts it. Pure.
 *
 * Every session that PAM opens has them: ssh, cron, at, and the services of the user. One that cannot have them goes on with the shared
 * ones: nobody is locked out, and no other user is touched. Sessions that are open already stay as they are.
 *
 * @throws QuotaError `QUOTA_INVALID` for a group or folder that a line of PAM or of namespace.conf cannot hold.
 * @see pam_namespace(8), namespace.conf(5), pam_succeed_if(8), pam-auth-update(8)
 */
export function renderTemporary({ group, below }: TemporaryOptions): Temporary {
  assertText('group', group, /^[a-z_][a-z0-9_-]{0,31}$/)
  assertText('folder', below, /^(\/[A-Za-z0-9_.][A-Za-z0-9._-]*){1,20}$/)
  if (/\/\.{1,2}(\/|$)/.test(below)) throw invalid('folder', below)
  // Without its script: it relabels, and pam_namespace has given the folder the label of the shared one.
  const lines = shared.map(([path, name]) => `${path} ${below}/${name}/ user:noinit root`)
  const profile = [
    `Name: Temporary folders for members of ${group}`,
    'Default: yes',
    'Priority: 0',
    'Session-Type: Additional',
    'Session:',
    // Not a member: over the next line. PAM refuses a jump beyond the last line, so the jump is over one that is there.
    `\t[success=ignore default=1] pam_succeed_if.so quiet user ingroup ${group}`,
    '\toptional pam_namespace.so ignore_config_error',
  ]
  return {
    // pam_namespace wants the folders above those of users closed to all.
    folders: [{ path: below, mode: 0o711 }, ...shared.map(([, name]) => ({ path: `${below}/${name}`, mode: 0 }))],
    files: [
      { path: '/etc/security/namespace.d/puppy-temporary.conf', text: textOf(lines) },
      { path: '/usr/share/pam-configs/puppy-temporary', text: textOf(profile) },
    ],
  }
}

/** The folders that `renderTemporary` makes a user's own. */
export const sharedFolders: readonly string[] = shared.map(([path]) => path)

/**
 * What SELinux must allow, for `semodule -i FILE.cil`, beside its boolean `allow_polyinstantiation`: with that alone Debian's policy lets
 * cron make a `/tmp` of its own and not the others. Without either, sessions go on with the shared folders. Machines without SELinux
 * need nothing.
 */
export const temporaryPolicy = `(allow crond_t var_t (dir (getattr open read search)))
(allow crond_t device_t (dir (getattr open read search)))
(allow crond_t tmpfs_t (dir (create getattr mounton open read search setattr)))
`

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function assertText(what: string, value: string, pattern: RegExp): void {
  if (!pattern.test(value)) throw invalid(what, value)
}

function invalid(what: string, value: string): QuotaError {
  const detail = 'a plain name of a group, or a plain absolute path'
  return new QuotaError('QUOTA_INVALID', { operation: `use the ${what} for temporary folders`, value, detail })
}
