import { isGroupName, pamProfilePath, renderPamProfile } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { SharedFolder } from './shared-folders.ts'

/** Options of `renderTemporary`. */
export interface TemporaryOptions {
  /** The group whose members get private temporary folders. */
  readonly group: string
  /** A folder on the file system of the homes, where user quota is enforced, such as `/home/.temporary`. */
  readonly below: string
}

/** The folders and files that set up private temporary folders for the members of a group, as values. */
export interface Temporary {
  /** Folders to create first, owned by root. The first one contains the others. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  /** Text files to write in this order, with mode 0644, owned by root. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

/** The name of the folder in `below` that replaces each shared folder. */
const shared = [
  ['/tmp', 'tmp'],
  ['/var/tmp', 'var-tmp'],
  ['/dev/shm', 'shm'],
] as const satisfies readonly (readonly [path: SharedFolder, name: string])[]

/**
 * Renders the files that set up a private `/tmp`, `/var/tmp` and `/dev/shm` for each member of a group. They are on the file system where
 * the user quota of the member counts them. All sessions of a member have the same ones. Pure.
 *
 * They apply to every session that PAM opens: ssh, cron, at, and the services of the user. If they cannot be set up for a session, that
 * session uses the shared folders, so no user is locked out. Users outside the group are not affected. Open sessions do not change.
 *
 * @throws QuotaError `QUOTA_INVALID` for a group or folder that a line of PAM or of namespace.conf cannot contain.
 * @see pam_namespace(8), namespace.conf(5), pam_succeed_if(8), pam-auth-update(8)
 */
export function renderTemporary({ group, below }: TemporaryOptions): Temporary {
  if (!isGroupName(group)) throw invalid('group', group)
  if (!/^(\/[A-Za-z0-9_.][A-Za-z0-9._-]*){1,20}$/.test(below)) throw invalid('folder', below)
  if (/\/\.{1,2}(\/|$)/.test(below)) throw invalid('folder', below)
  // `noinit` skips the script of pam_namespace, which relabels a folder that already has the context of the shared one.
  const lines = shared.map(([path, name]) => `${path} ${below}/${name}/ user:noinit root`)
  const profile = renderPamProfile({
    group,
    title: `Temporary folders for members of ${group}`,
    module: 'pam_namespace.so ignore_config_error',
  })
  return {
    // pam_namespace requires that no user can enter the parents of the private folders.
    folders: [{ path: below, mode: 0o711 }, ...shared.map(([, name]) => ({ path: `${below}/${name}`, mode: 0 }))],
    files: [
      { path: '/etc/security/namespace.d/puppy-temporary.conf', text: textOf(lines) },
      { path: pamProfilePath('puppy-temporary'), text: profile },
    ],
  }
}

/**
 * The SELinux policy module that the private temporary folders need, for `semodule -i FILE.cil`. They also need the boolean
 * `allow_polyinstantiation`. With the boolean alone, the policy of Debian allows cron to create only a private `/tmp`. Without either,
 * sessions use the shared folders. Machines without SELinux need neither.
 */
export const temporaryPolicy = `(allow crond_t var_t (dir (getattr open read search)))
(allow crond_t device_t (dir (getattr open read search)))
(allow crond_t tmpfs_t (dir (create getattr mounton open read search setattr)))
`

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function invalid(what: 'group' | 'folder', value: string): QuotaError {
  const detail = {
    group: 'the name may have only a-z, 0-9, _ and -, begins with a letter or _, and has at most 32 characters',
    folder: 'the path must be absolute, and its names may have only A-Z, a-z, 0-9, ., _ and -',
  }[what]
  return new QuotaError('QUOTA_INVALID', { operation: `use the ${what} for temporary folders`, value, detail })
}
