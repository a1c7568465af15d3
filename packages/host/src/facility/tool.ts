import type { Host } from '../host.ts'
import type { FacilityErrorFacts } from './error.ts'

/** The Debian package of each program that our packages run. */
const debianPackages = {
  'apt-get': 'apt',
  cat: 'coreutils',
  chattr: 'e2fsprogs',
  chcon: 'coreutils',
  chmod: 'coreutils',
  chown: 'coreutils',
  cp: 'coreutils',
  df: 'coreutils',
  dmesg: 'util-linux',
  du: 'coreutils',
  find: 'findutils',
  flock: 'util-linux',
  getent: 'libc-bin',
  groupdel: 'passwd',
  haproxy: 'haproxy',
  id: 'coreutils',
  install: 'coreutils',
  ip: 'iproute2',
  ipcrm: 'util-linux',
  journalctl: 'systemd',
  load_policy: 'policycoreutils',
  keyctl: 'keyutils',
  lastlog: 'login',
  lastlog2: 'lastlog2',
  loginctl: 'systemd',
  lsattr: 'e2fsprogs',
  matchpathcon: 'selinux-utils',
  mkdir: 'coreutils',
  mount: 'mount',
  mv: 'coreutils',
  nft: 'nftables',
  'pam-auth-update': 'libpam-runtime',
  python3: 'python3',
  repquota: 'quota',
  restorecon: 'policycoreutils',
  rm: 'coreutils',
  runcon: 'coreutils',
  'selinux-activate': 'selinux-basics',
  semanage: 'policycoreutils-python-utils',
  semodule: 'policycoreutils',
  setfiles: 'policycoreutils',
  setpriv: 'util-linux',
  setquota: 'quota',
  setsebool: 'policycoreutils',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  ss: 'iproute2',
  stat: 'coreutils',
  sync: 'coreutils',
  systemctl: 'systemd',
  'systemd-run': 'systemd',
  'systemd-sysusers': 'systemd-standalone-sysusers',
  'systemd-tmpfiles': 'systemd-standalone-tmpfiles',
  tail: 'coreutils',
  timeout: 'coreutils',
  umount: 'mount',
  unshare: 'util-linux',
  userdel: 'passwd',
  usermod: 'passwd',
  xargs: 'findutils',
  xfs_io: 'xfsprogs',
  xfs_quota: 'xfsprogs',
} as const satisfies Readonly<Record<string, string>>

/** A program that one of our packages runs. */
export type Tool = keyof typeof debianPackages

/** Fedora adds this suffix to the names of the standalone systemd tools. */
const standalone = '.standalone'

/** Returns the absolute path of a program, or undefined when it is not installed. Ignores `PATH`. */
export function findTool(host: Pick<Host, 'program'>, name: Tool): string | undefined {
  return host.program(name) ?? host.program(`${name}${standalone}`)
}

/** Returns the error facts for a missing program, with the command that installs it. Pure. */
export function missingTool(name: Tool): FacilityErrorFacts {
  return {
    operation: 'find the program',
    target: name,
    detail: 'it is not installed',
    steps: [installStep(name)],
  }
}

/** Returns the name of the Debian package that contains a program. Pure. */
export function debianPackageOf(name: Tool): string {
  return debianPackages[name]
}

/** Returns the command that installs a program on Debian: `apt-get install nftables`. Pure. */
export function installStep(name: Tool): string {
  return `apt-get install ${debianPackageOf(name)}`
}

/** Returns the absolute path of a program, as `findTool` does. @throws the result of `fail` when the program is not installed */
export function requireTool(
  host: Pick<Host, 'program'>,
  name: Tool,
  fail: (facts: FacilityErrorFacts) => Error,
): string {
  const path = findTool(host, name)
  if (path === undefined) throw fail(missingTool(name))
  return path
}
