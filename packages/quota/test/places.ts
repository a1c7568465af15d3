import fc from 'fast-check'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { QuotaError } from '../src/errors.ts'
import { createFakeQuota } from '../src/fake.ts'
import { findOpenPlaces, parsePlaces } from '../src/places.ts'
import { fixture } from './support/fixture.ts'

/** `stat -c %d` of a device below 256:256. */
const number = (major: number, minor: number) => major * 256 + minor

/** A host like the Debian 13 of the fixtures. Only /home and /srv/xfs have quota. */
function open(stdout: string) {
  const fake = createFakeQuota()
  const state = fixture('ext4-state.txt')
  const programs = {
    ...fake.programs,
    '/usr/sbin/xfs_quota': ({ args }: { readonly args: readonly string[] }) => ({
      stdout: ['/home', '/srv/xfs'].includes(args.at(-1) ?? '') ? state : '',
    }),
    '/usr/bin/find': () => ({ stdout, exitCode: 1 }),
  }
  return createFakeHost({ programs, files: { '/proc/self/mountinfo': fixture('mountinfo') } })
}

void t.test(
  'findOpenPlaces() returns the folders that no quota counts, with their size and the steps that help',
  async (t) => {
    const lines = [
      [0, 33, '/tmp'],
      [254, 0, '/var/tmp'],
      [0, 26, '/dev/shm'],
      [0, 32, '/run/lock'],
      [254, 0, '/srv/share'],
      [254, 16, '/home/shared'],
    ] as const
    const host = open(lines.map(([major, minor, path]) => `${number(major, minor)} ${path}\0`).join(''))
    const places = await findOpenPlaces(host)
    t.matchOnlyStrict(
      places.map(({ path, mount, size, steps }) => [path, `${mount.fileSystem} on ${mount.mountPoint}`, size, steps]),
      [
        ['/tmp', 'tmpfs on /tmp', 1_524_816 * 1024, [/a private \/tmp for each tenant/]],
        ['/var/tmp', 'ext4 on /', undefined, [/a private \/var\/tmp for each tenant/]],
        ['/dev/shm', 'tmpfs on /dev/shm', undefined, [/a private \/dev\/shm for each tenant/]],
        ['/run/lock', 'tmpfs on /run/lock', 5120 * 1024, [/chmod o-w \/run\/lock/]],
        ['/srv/share', 'ext4 on /', undefined, [/tune2fs -O quota/, /rootflags=usrquota/, 'reboot']],
      ],
      'folders with quota are not listed',
    )
    const [, ...words] = host.commands.at(-1) ?? []
    t.match(
      words.join(' '),
      /-fstype proc .*-path \/home -o -path \/srv\/xfs -o .*! -perm -0001 \) -prune -o -perm -0002/,
    )
  },
)

void t.test('findOpenPlaces() escapes patterns in mount points', async (t) => {
  const fake = createFakeQuota({ mountPoint: '/a*b[c]' })
  const host = createFakeHost({ programs: { ...fake.programs, '/usr/bin/find': () => ({}) }, files: fake.files })
  t.strictSame(await findOpenPlaces(host), [])
  t.ok(host.commands.at(-1)?.includes(String.raw`/a\*b\[c\]`))
})

void t.test('findOpenPlaces() fails when find is not installed', async (t) => {
  const fake = createFakeQuota()
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  await t.rejects(findOpenPlaces(host), { code: 'QUOTA_NOT_INSTALLED', message: /findutils/ })
})

void t.test('parsePlaces() accepts any folder name, and refuses other formats', async (t) => {
  t.strictSame(parsePlaces('65024 /a b\n/c\0'), [{ path: '/a b\n/c', device: '254:0' }])
  t.strictSame(parsePlaces(''), [])
  for (const text of ['x\0', '1\0', '/tmp\0', '1 tmp\0', '-1 /tmp\0'])
    t.throws(() => parsePlaces(text), { code: 'QUOTA_UNREADABLE' }, text)
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parsePlaces(text)
        return true
      } catch (error) {
        return error instanceof QuotaError && error.code === 'QUOTA_UNREADABLE'
      }
    }),
  )
})
