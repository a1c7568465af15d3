import { isGroupName, pamProfilePath, renderPamProfile } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { SharedFolder } from './shared-folders.ts'

export interface TemporaryOptions {
  /** The group whose members get temporary folders of their own. */
  readonly group: string
  /** A folder on the file system of the homes, where user quota is enforced: `/home/.temporary`. */
  readonly below: string
}

/** The folders and files that give a group's members temporary folders of their own, as values. */
export interface Temporary {
  /** Folders to create first, owned by root: the first one holds the others. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  /** Text files to write in this order, with mode 0644 and owned by root. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

/** The folder that is made below for each shared one. */
const shared = [
  ['/tmp', 'tmp'],
  ['/var/tmp', 'var-tmp'],
  ['/dev/shm', 'shm'],
] as const satisfies readonly (readonly [path: SharedFolder, name: string])[]

/**
 * Renders the files that give each member of a group its own `/tmp`, `/var/tmp` and `/dev/shm`, the same in all its sessions, on the
 * file system where its user quota counts them. Pure.
 *
 * Every session that PAM opens has them: ssh, cron, at, and the services of the user. A session that cannot have them uses the shared
 * ones, so no user is locked out; users outside the group are not affected. Sessions that are already open stay as they are.
 *
 * @throws QuotaError `QUOTA_INVALID` for a group or folder that a line of PAM or of namespace.conf cannot hold.
 * @see pam_namespace(8), namespace.conf(5), pam_succeed_if(8), pam-auth-update(8)
 */
export function renderTemporary({ group, below }: TemporaryOptions): Temporary {
  if (!isGroupName(group)) throw invalid('group', group)
  if (!/^(\/[A-Za-z0-9_.][A-Za-z0-9._-]*){1,20}$/.test(below)) throw invalid('folder', below)
  if (/\/\.{1,2}(\/|$)/.test(below)) throw invalid('folder', below)
  // Without the script of pam_namespace: it relabels a folder that has the label of the shared one already.
  const lines = shared.map(([path, name]) => `${path} ${below}/${name}/ user:noinit root`)
  const profile = renderPamProfile({
    group,
    title: `Temporary folders for members of ${group}`,
    module: 'pam_namespace.so ignore_config_error',
  })
  return {
    // pam_namespace requires that no user may enter the folders above the users' own.
    folders: [{ path: below, mode: 0o711 }, ...shared.map(([, name]) => ({ path: `${below}/${name}`, mode: 0 }))],
    files: [
      { path: '/etc/security/namespace.d/puppy-temporary.conf', text: textOf(lines) },
      { path: pamProfilePath('puppy-temporary'), text: profile },
    ],
  }
}

/**
 * The SELinux policy module that the temporary folders need, for `semodule -i FILE.cil`, beside the boolean `allow_polyinstantiation`:
 * with the boolean alone, Debian's policy lets cron create only its own `/tmp`. Without either, sessions use the shared folders.
 * Machines without SELinux need neither.
 */
export const temporaryPolicy = `(allow crond_t var_t (dir (getattr open read search)))
(allow crond_t device_t (dir (getattr open read search)))
(allow crond_t tmpfs_t (dir (create getattr mounton open read search setattr)))
`

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function invalid(what: string, value: string): QuotaError {
  const detail = 'a plain name of a group, or a plain absolute path'
  return new QuotaError('QUOTA_INVALID', { operation: `use the ${what} for temporary folders`, value, detail })
}
