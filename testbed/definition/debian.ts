/**
 * What a guest is, for a person to read and change. Whatever is changed here, in `customize` or below `files/` makes a new
 * image at the next `testbed up`.
 *
 * Another distribution is another file like this one. What is known to differ for Fedora, none of it tried yet:
 * - building: `dnf --installroot` with `--releasever` instead of mmdebstrap (`builder`);
 * - packages: `haproxy`, `nftables`, `audit`, `cronie`, `at`, `selinux-policy-targeted`, `policycoreutils-python-utils`,
 *   `kernel-core`; the kernel is in `/lib/modules/<version>/vmlinuz`, the initrd is made by dracut, which needs
 *   `virtio_blk` and `xfs` in it;
 * - SELinux: the policy is `targeted`, in `/etc/selinux/targeted`; `files/usr/local/lib/testbed/seal` names Debian's;
 * - units: `sshd` and `crond` instead of `ssh` and `cron`; no `apt-daily`; firewalld is on; systemd-networkd is a package;
 * - cron goes through PAM's `crond`; ssh host keys are made by `sshd-keygen@` at the first boot, not by the package.
 */
import type { GuestDefinition } from './guest.ts'

const bootable =
  'systemd-sysv dbus dbus-user-session libpam-systemd udev kmod login passwd util-linux linux-image-cloud-amd64'
const policy = 'selinux-policy-default selinux-utils policycoreutils policycoreutils-python-utils semodule-utils auditd'
const managedByPuppy = 'haproxy nftables quota openssh-server openssh-client cron at e2fsprogs xfsprogs'
const usedByTestsAndTenants =
  'iproute2 procps attr acl rsync curl ca-certificates openssl git python3 gcc libc6-dev make stress-ng'
/** What shares a host with Puppy, for the tests to start. */
const neighbours = 'firewalld netbase'

/** Units that a guest without a network, which lives for minutes, does not need; each costs time in every boot. */
const unneeded =
  'systemd-networkd-wait-online.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer'
// ext4 with the quota feature needs no quotaon, and the unit fails: https://github.com/systemd/systemd/issues/29905
const quotaUnits = 'quotaon.service quotaon@.service quota.service quotacheck.service systemd-quotacheck.service'
// The first may not read its credentials by the distribution's policy; Puppy runs a HAProxy of its own.
const inTheWay = 'systemd-network-generator.service haproxy.service'

const words = (...texts: readonly string[]): readonly string[] => texts.flatMap((text) => text.split(' '))

const debian = {
  builder: 'mmdebstrap',
  packages: words(bootable, policy, managedByPuppy, usedByTestsAndTenants, neighbours),
  mask: words(unneeded, quotaUnits, inTheWay),
  enable: ['systemd-networkd.service', 'ssh.service', 'cron.service', 'atd.service', 'auditd.service'],
  disable: ['firewalld.service'],
  // Node makes code as it runs. Without this it ends at once in an unconfined shell, whoever's Node it is.
  booleans: ['allow_execmem'],
  kernelArguments: ['security=selinux', 'selinux=1', 'enforcing=1', 'psi=1', 'panic=5'],
  cpus: 2,
  memoryMiB: 3072,
  rootSize: '6G',
  homeSize: '8G',
  xfsSize: '4G',
} as const

/** By release; the first is the default, the second is the oldest that Puppy supports. */
export const debianGuests: readonly GuestDefinition[] = [
  { ...debian, release: 'trixie', version: 'Debian 13' },
  { ...debian, release: 'bookworm', version: 'Debian 12' },
]
