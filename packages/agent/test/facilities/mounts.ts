import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { mountsFacility } from '../../src/facilities/mounts.ts'

const { signal } = new AbortController()

async function probe(lines: readonly string[], replaced: readonly string[] = [], live = true) {
  const text = lines.map((line, n) => `${n + 1} 1 0:${n + 1} / ${line} - ext4 /dev/vda rw\n`).join('')
  const host = createFakeHost({ live, files: { '/proc/self/mountinfo': text } })
  await host.makeFolder('/home', { mode: 0o755 })
  for (const folder of ['/tmp', '/var/tmp', '/dev/shm']) await host.makeFolder(folder, { mode: 0o1777 })
  await host.makeFolder('/run/user', { mode: 0o755 })
  return mountsFacility({ host, layout: { homes: '/home' }, replaced: () => replaced }).probe(signal)
}

const tight = ['/home rw,nosuid,nodev', '/tmp rw,nosuid,nodev', '/var/tmp rw,nosuid,nodev', '/dev/shm rw,nosuid,nodev']

void t.test('mountsFacility() works when each folder of tenants is mounted with nosuid and nodev', async (t) => {
  t.strictSame(await probe(['/ rw', ...tight]), { works: true })
})

void t.test('mountsFacility() names the folders that are not, and what to do', async (t) => {
  t.strictSame(await probe(['/ rw', '/home rw,nodev', ...tight.slice(3)]), {
    works: false,
    reason:
      '/home is mounted without nosuid; /tmp is mounted without nosuid and nodev; /var/tmp is mounted without nosuid and nodev',
    remedy:
      'add nosuid,nodev to the options of /home in /etc/fstab; add the line "/tmp /tmp none bind,nosuid,nodev" to /etc/fstab; add the line "/var/tmp /var/tmp none bind,nosuid,nodev" to /etc/fstab; then restart the host',
  })
})

void t.test('mountsFacility() leaves out folders that sessions of tenants have replaced', async (t) => {
  t.strictSame(await probe(['/ rw', tight[0]!], ['/tmp', '/var/tmp', '/dev/shm']), { works: true })
  t.match(await probe(['/ rw'], ['/tmp', '/var/tmp', '/dev/shm']), { works: false, reason: /^\/home is mounted/ })
})

void t.test('mountsFacility() does not work on a host that is only a folder', async (t) => {
  t.match(await probe(tight, [], false), { works: false, reason: /only a folder/ })
})
