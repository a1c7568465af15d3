import { createFakeHost } from '@puppy/host/fake'
import { parseMountinfo } from '@puppy/host/proc'
import t from 'tap'
import { unmountAll, userMounts } from '../src/mounts.ts'

const text = `24 1 0:22 / /run rw - tmpfs tmpfs rw,mode=755
97 29 0:52 / /home/p10000/a\\040b rw,nosuid,nodev - fuse.sshfs host: rw,user_id=10000,group_id=10000
98 24 0:44 / /run/user/10001 rw,nosuid shared:5 - tmpfs tmpfs rw,mode=700,uid=10001
99 97 0:53 / /home/p10000/a\\040b/c rw - fuse x rw,user_id=10000
`

void t.test('userMounts() finds FUSE mounts and runtime folders', (t) => {
  t.strictSame(
    userMounts(parseMountinfo(text)).map(({ mount, uid }) => [mount.mountPoint, uid]),
    [
      ['/home/p10000/a b', 10_000],
      ['/run/user/10001', 10_001],
      ['/home/p10000/a b/c', 10_000],
    ],
  )
  t.end()
})

void t.test('userMounts() ignores all other mounts', (t) => {
  const others = `100 24 0:60 / /srv rw - tmpfs tmpfs rw,user_id=10000
101 24 0:61 / /home/p10000/run/user/10000 rw - ext4 /dev/vdb rw
102 24 0:62 / /run/user/10000/doc rw - ext4 user_id=10000 rw
103 24 0:63 / /mnt rw - fuse.sshfs user_id=10000 rw,group_id=10000,xuser_id=10000
`
  t.strictSame(userMounts(parseMountinfo(others)), [])
  t.end()
})

void t.test('unmountAll() unmounts the mounts of these users, also covered ones, and no other', async (t) => {
  const covering = '100 97 0:54 / /home/p10000/a\\040b rw - fuse y rw,user_id=10000\n'
  const host = createFakeHost({ files: { '/proc/self/mountinfo': text + covering } })
  t.strictSame(await unmountAll(host, new Set([5])), [])
  t.strictSame(host.unmounted, [])
  t.strictSame(await unmountAll(host, new Set([10_000])), [])
  t.strictSame(host.unmounted, ['/home/p10000/a b/c', '/home/p10000/a b', '/home/p10000/a b'])
  t.match(await host.read('/proc/self/mountinfo'), /^24 1 .*\n98 24 .*\n$/)
})

void t.test('unmountAll() returns the mounts that it could not unmount', async (t) => {
  const host = createFakeHost({ files: { '/proc/self/mountinfo': text } })
  const left = await unmountAll({ ...host, unmount: async () => false }, new Set([10_001]))
  t.strictSame(
    left.map(({ mount }) => mount.id),
    [98],
  )
})
