import t from 'tap'
import { parseMountinfo, type Mount } from '@puppy/host/proc'
import { parseState } from '../src/state.ts'
import { boundsOf, formatOf, offError, stepsOf, unsupported } from '../src/support.ts'
import { fixture } from './support/fixture.ts'

const mounts = new Map(parseMountinfo(fixture('mountinfo')).map((mount) => [mount.mountPoint, mount]))
const mount = (path: string): Mount => {
  const found = mounts.get(path)
  if (found === undefined) throw new Error(`no mount ${path}`)
  return found
}
const state = (name: string) => parseState(fixture(`${name}-state.txt`))
const off = { accounting: false, enforcing: false }

void t.test('unsupported() returns the reason', async (t) => {
  t.equal(unsupported(mount('/home')), undefined)
  t.equal(unsupported(mount('/srv/xfs')), undefined)
  t.match(unsupported(mount('/tmp')), /tmpfs/)
  t.match(unsupported(mount('/mnt/f')), /only the folder "\/lost\+found" of the file system is mounted/)
  for (const fileSystem of ['btrfs', 'nfs4', 'overlay', 'zfs', 'f2fs'])
    t.type(unsupported({ ...mount('/home'), fileSystem }), 'string', fileSystem)
})

void t.test('formatOf() and boundsOf() recognize old quota files, which may hold only 32 bits', async (t) => {
  t.equal(formatOf(mount('/home'), state('ext4')), 'ext4')
  t.equal(formatOf(mount('/mnt/c'), state('ext4-accounting')), 'ext4')
  t.equal(formatOf(mount('/srv/xfs'), state('xfs')), 'xfs')
  t.equal(formatOf(mount('/mnt/d'), state('ext4-files')), 'files')
  t.match(boundsOf('files', 4096), { maxBytes: 4 * 1024 ** 4 - 1024, maxInodes: 2 ** 32 - 1 })
  t.match(boundsOf('xfs', 4096), { blockSize: 4096, maxBytes: Number.MAX_SAFE_INTEGER })
})

void t.test('stepsOf() returns each step, and none when quota is on', async (t) => {
  t.strictSame(stepsOf(mount('/home'), 'user', state('ext4').user), [])
  t.strictSame(stepsOf(mount('/mnt/c'), 'user', state('ext4-accounting').user), [
    'add usrquota to the options of /mnt/c in /etc/fstab',
    'quotaon -u /mnt/c',
  ])
  t.strictSame(stepsOf(mount('/mnt/a'), 'project', off), [
    'umount /mnt/a',
    'tune2fs -O quota,project -Q prjquota /dev/loop0',
    'add prjquota to the options of /mnt/a in /etc/fstab',
    'mount /mnt/a',
  ])
  t.strictSame(stepsOf(mount('/mnt/b'), 'user', state('xfs-noenforce').user), [
    'add usrquota to the options of /mnt/b in /etc/fstab',
    'umount /mnt/b',
    'mount /mnt/b',
  ])
  for (const fileSystem of ['ext4', 'xfs'])
    t.equal(stepsOf({ ...mount('/'), fileSystem }, 'user', off).at(-1), 'reboot')
})

void t.test('offError() distinguishes quota that is only counted from quota that is off', async (t) => {
  const error = (need: 'accounting' | 'enforcing', kind: 'user' | 'group') =>
    offError('set', mount('/mnt/c'), kind, state('ext4-accounting'), need)
  t.equal(error('accounting', 'user'), undefined)
  t.match(error('enforcing', 'user'), {
    code: 'QUOTA_OFF',
    message: /counted, but limits are not enforced.*quotaon -u/,
  })
  t.match(error('accounting', 'group'), { code: 'QUOTA_OFF', message: /group quota is off on this ext4/ })
})
