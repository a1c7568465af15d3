import { createFakeHost } from '@puppy/host/fake'
import { parseMountinfo } from '@puppy/host/proc'
import t from 'tap'
import { findShared, readViews } from '../../src/view/read.ts'

const common = [
  '22 1 0:21 / /proc rw - proc proc rw',
  '23 1 254:1 / / rw - ext4 /dev/vda rw',
  '24 23 0:30 / /tmp rw - tmpfs tmpfs rw',
  '25 23 0:31 / /dev/shm rw - tmpfs tmpfs rw',
  '26 23 254:2 / /home rw - ext4 /dev/vdb rw',
  '27 23 0:32 / /run rw - tmpfs tmpfs rw',
]
const own = [
  ...common,
  '40 24 254:2 /.temporary/tmp/p20000 /tmp rw - ext4 /dev/vdb rw',
  '41 23 254:2 /.temporary/var-tmp/p20000 /var/tmp rw - ext4 /dev/vdb rw',
  '42 25 254:2 /.temporary/shm/p20000 /dev/shm rw - ext4 /dev/vdb rw',
  '43 22 0:50 / /proc rw - proc proc rw,hidepid=invisible',
  '44 27 0:51 / /run/systemd/sessions ro - tmpfs none ro',
  '45 27 0:52 / /run/systemd/users ro - tmpfs none ro',
]
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('')
const without = (part: string) => own.filter((line) => !line.includes(part))
const folders = ['/tmp', '/var/tmp', '/dev/shm']
const records = ['/run/systemd/sessions', '/run/systemd/users']
const places = [...folders, ...records]
const all = [...places, '/proc']

void t.test('findShared() compares what a process sees with what pid 1 sees', async (t) => {
  const rows: [string, readonly string[], readonly string[]][] = [
    ['its own view', own, []],
    ['the common view', common, all],
    ['a copy of the common mounts in another namespace', common.map((line) => line.replace(/^2/, '9')), all],
    ['without a private /var/tmp', without('var-tmp'), ['/var/tmp']],
    ['without a private /tmp', without('/tmp/p20000'), ['/tmp', '/var/tmp'].slice(0, 1)],
    ['a /proc without the option', own.map((line) => line.replace(',hidepid=invisible', '')), ['/proc']],
    ['a /proc with the option off', own.map((line) => line.replace('invisible', 'off')), ['/proc']],
    ['a bind mount of the shared /tmp', [...own, '44 40 0:30 / /tmp rw - tmpfs tmpfs rw'], ['/tmp']],
    ['a folder below the shared /tmp', [...own, '44 40 0:30 /mine /tmp rw - tmpfs tmpfs rw'], []],
    ['the sessions of the machine', without('systemd/sessions'), ['/run/systemd/sessions']],
    ['no mounts', [], ['/proc']],
  ]
  for (const [title, lines, shares] of rows)
    t.strictSame(findShared(parseMountinfo(text(lines)), parseMountinfo(text(common)), places), shares, title)
})

const ids = (uid: number) => [uid, uid, uid, uid].join('\t')
const status = (pid: number, uid: number, state = 'S (sleeping)') =>
  `Name:\tnode\nState:\t${state}\nPid:\t${pid}\nPPid:\t1\nUid:\t${ids(uid)}\nGid:\t${ids(uid)}\nThreads:\t1\n`

void t.test('readViews() reads the live processes of some uids', async (t) => {
  const files = {
    '/proc/1/status': status(1, 0),
    '/proc/1/mountinfo': text(common),
    '/proc/10/status': status(10, 20_000),
    '/proc/10/mountinfo': text(own),
    '/proc/11/status': status(11, 20_000),
    '/proc/11/mountinfo': text(common),
    '/proc/12/status': status(12, 20_001),
    '/proc/12/mountinfo': text(common),
    '/proc/13/status': status(13, 20_000, 'Z (zombie)'),
    '/proc/13/mountinfo': '',
    '/proc/14/status': status(14, 20_000),
  }
  const host = createFakeHost({ files: { ...files, '/run/systemd/sessions/1': '', '/run/systemd/users/0': '' } })
  t.strictSame(await readViews(host, [20_000]), [
    { pid: 10, uid: 20_000, name: 'node', shares: [] },
    { pid: 11, uid: 20_000, name: 'node', shares: all },
  ])
  const plain = createFakeHost({ files })
  t.strictSame(
    (await readViews(plain, [20_000])).map(({ shares }) => shares),
    [[], [...folders, '/proc']],
    'a machine without systemd has no records to hide',
  )
})
