/**
 * The definition of the guests. A change to a value here, to `customize` or to a file below `files/` causes a new image at the next
 * `testbed up`.
 *
 * Another distribution needs another file like this one. These are the known differences for Fedora. None has been tried yet.
 * - building: `dnf --installroot` with `--releasever` instead of mmdebstrap (`builder`);
 * - packages: `haproxy`, `nftables`, `audit`, `cronie`, `at`, `selinux-policy-targeted`, `policycoreutils-python-utils`,
 *   `kernel-core`; the kernel is in `/lib/modules/<version>/vmlinuz`; dracut makes the initrd, which must contain
 *   `virtio_blk` and `xfs`;
 * - SELinux: the policy is `targeted`, in `/etc/selinux/targeted`; `files/usr/local/lib/testbed/seal` contains Debian's name;
 * - units: `sshd` and `crond` instead of `ssh` and `cron`; no `apt-daily`; firewalld is enabled; systemd-networkd is a separate package;
 * - cron uses the PAM service `crond`; `sshd-keygen@` creates the ssh host keys at the first boot, not the package.
 */
import type { GuestDefinition } from './guest.ts'

const bootable =
  'systemd-sysv dbus dbus-user-session libpam-systemd udev kmod login passwd util-linux linux-image-cloud-amd64'
const policy = 'selinux-policy-default selinux-utils policycoreutils policycoreutils-python-utils semodule-utils auditd'
const managedByPuppy = 'haproxy nftables quota openssh-server openssh-client cron at e2fsprogs xfsprogs keyutils'
const usedByTestsAndTenants =
  'iproute2 procps attr acl rsync curl ca-certificates openssl git python3 gcc libc6-dev make stress-ng'
/** Other services of a host with Puppy. The tests start them. */
const neighbours = 'firewalld netbase'

/** Units that a guest does not need, because it has no network and runs for minutes. Each takes time in every boot. */
const unneeded =
  'systemd-networkd-wait-online.service systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer'
// ext4 with the quota feature needs no quotaon, and the unit fails: https://github.com/systemd/systemd/issues/29905
const quotaUnits = 'quotaon.service quotaon@.service quota.service quotacheck.service systemd-quotacheck.service'
// The distribution's policy does not allow the first unit to read its credentials. Puppy runs its own HAProxy.
const inTheWay = 'systemd-network-generator.service haproxy.service'

const words = (...texts: readonly string[]): readonly string[] => texts.flatMap((text) => text.split(' '))

const debian = {
  builder: 'mmdebstrap',
  packages: words(bootable, policy, managedByPuppy, usedByTestsAndTenants, neighbours),
  mask: words(unneeded, quotaUnits, inTheWay),
  enable: ['systemd-networkd.service', 'ssh.service', 'cron.service', 'atd.service', 'auditd.service'],
  disable: ['firewalld.service'],
  kernelArguments: ['security=selinux', 'selinux=1', 'enforcing=1', 'psi=1', 'panic=5', 'norandmaps'],
  cpus: 2,
  memoryMiB: 3072,
  rootSize: '6G',
  homeSize: '8G',
  xfsSize: '4G',
} as const

/** The guests by release. The first is the default. The second is the oldest release that Puppy supports. */
export const debianGuests: readonly GuestDefinition[] = [
  { ...debian, release: 'trixie', version: 'Debian 13' },
  { ...debian, release: 'bookworm', version: 'Debian 12' },
]
