import { createFakeHost } from '@puppy/host/fake'
import fc from 'fast-check'
import t from 'tap'
import { parseUserMounts, unmountAll } from '../../src/release/mounts.ts'

const text = `24 1 0:22 / /run rw - tmpfs tmpfs rw,mode=755
97 29 0:52 / /home/p10000/a\\040b rw,nosuid,nodev - fuse.sshfs host: rw,user_id=10000,group_id=10000
98 24 0:44 / /run/user/10001 rw,nosuid shared:5 - tmpfs tmpfs rw,mode=700,uid=10001
99 97 0:53 / /home/p10000/a\\040b/c rw - fuse x rw,user_id=10000
`

void t.test('parseUserMounts() finds FUSE mounts and runtime folders', (t) => {
  t.strictSame(parseUserMounts(text), [
    { path: '/home/p10000/a b', uid: 10_000 },
    { path: '/run/user/10001', uid: 10_001 },
    { path: '/home/p10000/a b/c', uid: 10_000 },
  ])
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (any) => parseUserMounts(any).every(({ uid }) => uid >= 0)))
  t.end()
})

void t.test('unmountAll() takes the innermost first, and leaves others alone', async (t) => {
  const host = createFakeHost({ files: { '/proc/self/mountinfo': text }, programs: { '/usr/bin/umount': () => ({}) } })
  await unmountAll(host, new Set([5]))
  t.strictSame(host.commands, [])
  await unmountAll(host, new Set([10_000]))
  t.strictSame(host.commands, [['/usr/bin/umount', '--lazy', '--', '/home/p10000/a b/c', '/home/p10000/a b']])
})
