import { isGroupName, pamProfilePath, renderPamProfile } from '@puppy/host'

/** Options of `renderView`. */
export interface ViewOptions {
  /** The group whose members get their own view. */
  readonly group: string
  /** The folder for the members' temporary folders, on the file system of the homes: `/home/.temporary`. */
  readonly below: string
}

/** A text file of a view, owned by root. */
export interface ViewFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** The folders and files that set up a view for the members of a group, as values. */
export interface ViewFiles {
  /** Folders to create first, owned by root. The first one contains the others. */
  readonly folders: readonly { readonly path: string; readonly mode: number }[]
  /** Files to write in this order. The last one is the profile for pam-auth-update(8). */
  readonly files: readonly ViewFile[]
  /** Rules of the system bus. Write them when the group exists: dbus-daemon(1) ignores rules for a group that it does not know. */
  readonly bus: ViewFile
}

/** The shared folders that a view replaces, and the name of the folder below `below` for each. */
export const privateFolders = [
  ['/tmp', 'tmp'],
  ['/var/tmp', 'var-tmp'],
  ['/dev/shm', 'shm'],
] as const satisfies readonly (readonly [path: string, name: string])[]

/**
 * Services of the system bus that tell every user who is logged in and what runs, also the command lines of other users
 * (`systemctl status user-1000.slice`).
 */
const talkative = ['org.freedesktop.login1', 'org.freedesktop.systemd1']

/** Folders in which systemd-logind describes the sessions and users of the machine. Every user can read them: who(1) does. */
export const records = ['/run/systemd/sessions', '/run/systemd/users'] as const

/** The program that pam_namespace runs as root in the mount namespace of a new session. */
const program = '/usr/libexec/puppy/open-view'

/**
 * Renders the program that mounts `/proc` for a session, and empty folders over the records of systemd-logind. pam_namespace calls it as root, in the mount namespace of the session, with the
 * shared folder, its replacement, whether that is new, and the user.
 *
 * The private `/tmp` is there before: where it is not, this is not the namespace of a session, and the program does nothing. If the
 * operator has set `hidepid` for the whole machine, `/proc` is not mounted again. The exit code is always 0: otherwise pam_namespace would stop, and
 * the session would lack a private folder too.
 */
function programText(below: string): string {
  return `#!/bin/sh
# Puppy: limits what the session of a tenant sees of other users. See docs/operators/isolation.md.
PATH=/usr/bin:/bin
session=no
limited=no
while read -r _ _ _ root point _ rest; do
  case "$point $root" in "/tmp "*${below.slice(below.lastIndexOf('/'))}/tmp/"$4") session=yes ;; esac
  case "$point $rest" in "/proc "*hidepid=*) limited=yes ;; esac
done </proc/self/mountinfo
[ "$session" = yes ] || exit 0
[ "$limited" = yes ] || mount -n -t proc -o nosuid,nodev,noexec,hidepid=invisible proc /proc
for folder in ${records.join(' ')}; do
  [ -d "$folder" ] && mount -n -t tmpfs -o ro,nosuid,nodev,noexec,size=4k,mode=755 none "$folder"
done
exit 0
`
}

/**
 * Renders the files that limit what each member of a group sees: a private `/tmp`, `/var/tmp` and `/dev/shm`, a `/proc` with the
 * processes of that member only, and no records of systemd-logind. On the system bus, members cannot call systemd and systemd-logind; their
 * own `systemctl --user` does not use it. The folders are on the file system of the homes, so the user quota of the member counts them. All
 * sessions of a member have the same ones. Pure.
 *
 * The view applies to every session that PAM opens: ssh, cron, at, and the services of the user. If it cannot be set up for a session,
 * that session has the shared folders and the whole `/proc`, so no user is locked out: `readViews` finds such a session. Users outside the
 * group are not affected. Open sessions do not change. A reboot empties the private `/tmp` and `/dev/shm`, as it empties the shared ones.
 *
 * @throws RangeError for a group or folder that a line of PAM or of namespace.conf cannot contain.
 * @see pam_namespace(8), namespace.conf(5), proc(5), pam_succeed_if(8), pam-auth-update(8), dbus-daemon(1)
 */
export function renderView({ group, below }: ViewOptions): ViewFiles {
  if (!isGroupName(group)) throw invalid('group', group)
  if (!/^(\/[A-Za-z0-9_.][A-Za-z0-9._-]*){1,20}$/.test(below)) throw invalid('folder', below)
  if (/\/\.{1,2}(\/|$)/.test(below)) throw invalid('folder', below)
  // `noinit` skips the script of pam_namespace, which relabels a folder that already has the context of the shared one.
  const lines = privateFolders.map(([path, name], n) => {
    const method = n === privateFolders.length - 1 ? `user:iscript=${program}` : 'user:noinit'
    return `${path} ${below}/${name}/ ${method} root`
  })
  const profile = renderPamProfile({
    group,
    title: `View of members of ${group}`,
    module: 'pam_namespace.so ignore_config_error',
  })
  const emptied = privateFolders.filter(([path]) => path !== '/var/tmp').map(([, name]) => `R! ${below}/${name}/*`)
  return {
    // pam_namespace requires that no user can enter the parents of the private folders.
    folders: [
      { path: below, mode: 0o711 },
      ...privateFolders.map(([, name]) => ({ path: `${below}/${name}`, mode: 0 })),
    ],
    files: [
      { path: program, text: programText(below), mode: 0o755 },
      { path: '/etc/tmpfiles.d/puppy-view.conf', text: textOf(emptied), mode: 0o644 },
      { path: '/etc/security/namespace.d/puppy-view.conf', text: textOf(lines), mode: 0o644 },
      { path: pamProfilePath('puppy-view'), text: profile, mode: 0o644 },
    ],
    bus: { path: '/etc/dbus-1/system.d/puppy-view.conf', text: busText(group), mode: 0o644 },
  }
}

/** Renders the rules of the system bus. The name of a group needs no escaping in XML. */
function busText(group: string): string {
  return textOf([
    '<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"',
    '  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">',
    '<busconfig>',
    `  <policy group="${group}">`,
    ...talkative.map((service) => `    <deny send_destination="${service}"/>`),
    '  </policy>',
    '</busconfig>',
  ])
}

/** The programs of the policy that open sessions: sshd, cron and at, and login(1). */
const openers = ['sshd_t', 'crond_t', 'local_login_t']

/**
 * The SELinux policy module that a view needs, in CIL. Without it, sessions have no view of their own. Machines without SELinux do not need
 * it.
 *
 * The policies of Debian let these programs create private folders only with the boolean `allow_polyinstantiation`, and then cron only a
 * private `/tmp`. pam_namespace creates a private folder with the context of the folder above it and then sets that of the shared one. This
 * module has the rules for the three folders and for `/proc`, and is removed as one.
 */
export const viewPolicy: string = openers
  .map(
    (opener) => `(optional puppy_view_${opener}
    (allow ${opener} self (capability (chown fowner fsetid sys_admin dac_override dac_read_search)))
    (allow ${opener} self (process (setfscreate)))
    (allow ${opener} polyparent (dir (getattr open read search mounton)))
    (allow ${opener} polydir (dir (create getattr mounton open read search write add_name setattr)))
    (allow ${opener} var_t (dir (getattr open read search)))
    (allow ${opener} device_t (dir (getattr open read search)))
    (allow ${opener} tmpfs_t (dir (create getattr mounton open read search setattr relabelto)))
    (allow ${opener} tmp_t (dir (create getattr mounton open read search setattr relabelto)))
    (allow ${opener} user_home_dir_t (dir (getattr open read search write add_name)))
    (allow ${opener} home_root_t (dir (create getattr open read search write add_name setattr relabelfrom)))
    (allow ${opener} security_t (security (compute_member)))
    (allow ${opener} bin_t (file (getattr open read map execute execute_no_trans)))
    (allow ${opener} shell_exec_t (file (getattr open read map execute execute_no_trans)))
    (allow ${opener} mount_exec_t (file (getattr open read map execute execute_no_trans)))
    (allow ${opener} proc_t (filesystem (mount getattr)))
    (allow ${opener} proc_t (dir (mounton)))
    (allow ${opener} tmpfs_t (filesystem (mount getattr)))
    (allow ${opener} systemd_sessions_runtime_t (dir (getattr search mounton)))
    (allow ${opener} systemd_logind_runtime_t (dir (getattr search mounton)))
)
`,
  )
  .join('')
  // From cron, mount(8) runs in a domain of its own.
  .concat(`(optional puppy_view_mount
    (allow mount_t systemd_sessions_runtime_t (dir (getattr search mounton)))
    (allow mount_t systemd_logind_runtime_t (dir (getattr search mounton)))
)
`)

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function invalid(what: 'group' | 'folder', value: string): RangeError {
  const detail = {
    group: 'the name may have only a-z, 0-9, _ and -, begins with a letter or _, and has at most 32 characters',
    folder: 'the path must be absolute, and its names may have only A-Z, a-z, 0-9, ., _ and -',
  }[what]
  return new RangeError(`The ${what} ${JSON.stringify(value)} is invalid for a view: ${detail}`)
}
