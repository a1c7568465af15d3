import type { Host } from '../host.ts'
import type { FacilityErrorFacts } from './error.ts'

/** The Debian package that brings each program that one of our packages runs. */
const debianPackages = {
  cat: 'coreutils',
  chattr: 'e2fsprogs',
  chcon: 'coreutils',
  df: 'coreutils',
  dmesg: 'util-linux',
  du: 'coreutils',
  find: 'findutils',
  flock: 'util-linux',
  getent: 'libc-bin',
  groupdel: 'passwd',
  haproxy: 'haproxy',
  ip: 'iproute2',
  ipcrm: 'util-linux',
  kill: 'procps',
  loginctl: 'systemd',
  journalctl: 'systemd',
  mount: 'mount',
  mv: 'coreutils',
  nft: 'nftables',
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
  setsebool: 'policycoreutils',
  setquota: 'quota',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  stat: 'coreutils',
  sync: 'coreutils',
  systemctl: 'systemd',
  'systemd-sysusers': 'systemd-standalone-sysusers',
  'systemd-tmpfiles': 'systemd-standalone-tmpfiles',
  tail: 'coreutils',
  umount: 'mount',
  unshare: 'util-linux',
  userdel: 'passwd',
  usermod: 'passwd',
  xfs_io: 'xfsprogs',
  xfs_quota: 'xfsprogs',
} as const satisfies Readonly<Record<string, string>>

/** A program that one of our packages runs. */
export type Tool = keyof typeof debianPackages

/** Fedora names its systemd tools that stand alone with this ending. */
const standalone = '.standalone'

/** Returns the absolute path of a program, or undefined when it is not installed. `PATH` is not consulted. */
export function findTool(host: Host, name: Tool): string | undefined {
  return host.program(name) ?? host.program(`${name}${standalone}`)
}

/** Returns the facts of the error that a missing program is: what is missing and the command that installs it. Pure. */
export function missingTool(name: Tool): FacilityErrorFacts {
  return {
    operation: 'find the program',
    target: name,
    detail: 'it is not installed',
    steps: [installStep(name)],
  }
}

/** Returns the command that installs a program on Debian: `apt-get install nftables`. */
export function installStep(name: Tool): string {
  return `apt-get install ${debianPackages[name]}`
}

/** Returns the absolute path of a program. @throws what `fail` makes of the facts when it is not installed */
export function requireTool(host: Host, name: Tool, fail: (facts: FacilityErrorFacts) => Error): string {
  const path = findTool(host, name)
  if (path === undefined) throw fail(missingTool(name))
  return path
}
