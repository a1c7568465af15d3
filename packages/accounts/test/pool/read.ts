import { createHost, HostError } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { indexSlots, judgeSlot } from '../../src/pool/judge.ts'
import { readPool, readSkeleton } from '../../src/pool/read.ts'
import { noReservations } from '../../src/reserved.ts'
import { defaultLayout, slotAt } from '../../src/slots.ts'

const slots = [slotAt(defaultLayout, 0), slotAt(defaultLayout, 1)]

void t.test('readPool() runs getent once per database', async (t) => {
  const user = 'p10000:x:10000:10000::/home/p10000:/bin/bash\n'
  const getent = ({ args }: { args: readonly string[] }) => ({ exitCode: 2, stdout: args[0] === 'passwd' ? user : '' })
  const host = createFakeHost({
    programs: { '/usr/bin/getent': getent },
    files: { '/etc/shadow': 'p10000:!*:1::::::\n' },
  })
  const seen = await readPool(host, defaultLayout, slots)
  t.strictSame(host.commands, [
    ['/usr/bin/getent', 'passwd', 'p10000', '10000', 'p10001', '10001'],
    ['/usr/bin/getent', 'group', 'puppy-tenants', '9999', 'p10000', '10000', 'p10001', '10001'],
  ])
  t.strictSame(seen, {
    layout: defaultLayout,
    users: [{ name: 'p10000', uid: 10_000, gid: 10_000, gecos: '', dir: '/home/p10000', shell: '/bin/bash' }],
    groups: [],
    localGroups: [],
    shadow: [{ name: 'p10000', locked: true }],
    homes: new Map(),
    covered: new Set(),
    skeleton: [],
    reserved: noReservations,
  })
})

void t.test('readPool() below a root reads only its files', async (t) => {
  const root = t.testdir({
    etc: { passwd: 'a:x:1:1::/:/bin/sh\n', group: 'g:x:7:a\n', skel: { '.x': '', dir: {} } },
    home: { p10001: 'no folder' },
  })
  const seen = await readPool(createHost({ root }), defaultLayout, slots)
  const { homes, ...rest } = seen
  t.strictSame(rest, {
    layout: defaultLayout,
    users: [{ name: 'a', uid: 1, gid: 1, gecos: '', dir: '/', shell: '/bin/sh' }],
    groups: [{ name: 'g', gid: 7, members: ['a'] }],
    localGroups: [{ name: 'g', gid: 7, members: ['a'] }],
    shadow: [],
    covered: new Set(),
    skeleton: ['.x'],
    reserved: noReservations,
  })
  t.strictSame([...homes.keys()], [1])
  t.equal(homes.get(1)?.kind, 'file')
})

void t.test('readSkeleton() leaves out names that need quotes', async (t) => {
  const root = t.testdir({ etc: { skel: { '.ok': '', 'a b': '', 'c%n': '', 'd"': '' } } })
  t.strictSame(await readSkeleton(createHost({ root })), ['.ok'])
})

void t.test('readPool() refuses an invalid layout, and slots of another layout', async (t) => {
  await t.rejects(readPool(createFakeHost(), { ...defaultLayout, firstUid: 0 }, []), RangeError)
  const other = slotAt({ ...defaultLayout, firstUid: 20_000 }, 0)
  await t.rejects(readPool(createFakeHost(), defaultLayout, [other]), TypeError)
})

void t.test('readPool() reads the reservations of a machine, unless the options contain them', async (t) => {
  const host = createFakeHost({
    programs: { '/usr/bin/getent': () => ({ exitCode: 2 }) },
    files: { '/etc/services': 'nbd 10809/tcp\n' },
  })
  const nbd = { first: 10_809, last: 10_809, owner: 'nbd' }
  t.strictSame((await readPool(host, defaultLayout, slots)).reserved.services, [nbd])
  const given = await readPool(host, defaultLayout, slots, { reserved: noReservations })
  t.equal(given.reserved, noReservations)
})

void t.test('readPool() does not ask a home that is below a mount of a user', async (t) => {
  const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]
  const mounts = `90 1 0:52 / ${first.home} rw,nosuid,nodev - fuse.mine mine rw,user_id=${first.uid},group_id=${first.gid}\n`
  const programs = { '/usr/bin/getent': () => ({ exitCode: 2 }) }
  const fake = createFakeHost({ programs, files: { '/proc/self/mountinfo': mounts, [`${second.home}/.profile`]: '' } })
  const asked: string[] = []
  const refused = new HostError('HOST_READ_FAILED', { operation: 'read', path: second.home, errno: 'EACCES' })
  const hostWith = (refuses: string) => ({
    ...fake,
    status: (path: string) => {
      asked.push(path)
      return path === refuses ? Promise.reject(refused) : fake.status(path)
    },
  })
  const seen = await readPool(hostWith(''), defaultLayout, slots, { reserved: noReservations })
  t.strictSame([[...seen.covered], [...seen.homes.keys()]], [[0], [1]])
  t.notOk(asked.includes(first.home), 'it may never answer')
  const late = await readPool(hostWith(second.home), defaultLayout, slots, { reserved: noReservations })
  t.strictSame([[...late.covered], [...late.homes.keys()]], [[0, 1], []], 'a mount that is newer than the list')
  const { home } = judgeSlot(first, indexSlots(seen))
  t.equal(home, 'covered')
})
