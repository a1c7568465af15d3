import { matchWhole } from '@puppy/host/testing'
import { slotAt } from '@puppy/accounts'
import { createFakeHost } from '@puppy/host/fake'
import { openQuota } from '@puppy/quota'
import { createFakeQuota } from '@puppy/quota/fake'
import t from 'tap'
import type { View } from '../../src/facilities/facility.ts'
import { findLeft, liftLimits, readLeft } from '../../src/quota/release.ts'
import { smallLayout } from '../support/rows.ts'

const { signal } = new AbortController()
const slots = [0, 1].map((n) => slotAt(smallLayout, n))
const [first, second] = slots as [(typeof slots)[0], (typeof slots)[0]]

function open(inHomes: readonly number[] = []) {
  const fake = createFakeQuota()
  let looked = 0
  const find = () => {
    looked += 1
    return { stdout: inHomes.map((uid) => `${uid}\n`).join('') }
  }
  const files = { ...fake.files, [`${first.home}/.profile`]: '', [`${second.home}/.profile`]: '' }
  const host = createFakeHost({ programs: { ...fake.programs, '/usr/bin/find': find }, files })
  const quota = openQuota(host, '/home')
  return { fake, host, quota, counted: { host, quota, mountPoint: '/home' }, looked: () => looked }
}

void t.test('readLeft() returns nothing for slots that own only their new homes', async (t) => {
  const { fake, counted, host } = open([first.uid, first.uid, second.uid, 0])
  fake.use('user', first.uid, { bytes: 8192, inodes: 2 })
  fake.use('user', second.uid, { bytes: 4096, inodes: 1 })
  t.strictSame([...(await readLeft(counted, slots, signal))], [])
  t.strictSame(
    host.commands.map(([program]) => program),
    ['/usr/bin/stat', '/usr/bin/stat', '/usr/sbin/repquota', '/usr/bin/find'],
  )
  t.strictSame(host.commands.at(-1)?.slice(1, 3), [first.home, second.home], 'one search for all homes')
})

void t.test('readLeft() reads again when the file system counts late', async (t) => {
  const { fake, counted, host, looked } = open([first.uid])
  fake.use('user', first.uid, { bytes: 4096, inodes: 2 })
  setTimeout(() => fake.use('user', first.uid, { bytes: 4096, inodes: 1 }), 200)
  t.strictSame([...(await readLeft(counted, slots, signal))], [])
  t.ok(looked() > 1)
  const programs = host.commands.map(([program]) => program)
  t.equal(programs.indexOf('/usr/bin/sync'), programs.indexOf('/usr/bin/find') + 1, 'it runs sync before')
})

void t.test('readLeft() returns what is left after several attempts, and rejects when it is aborted', async (t) => {
  const { fake, counted } = open([first.uid])
  fake.use('user', second.uid, { bytes: 4096, inodes: 4 })
  const left = await readLeft(counted, slots, signal)
  t.matchOnlyStrict([...left], [[1, new RegExp(`^uid ${second.uid} owns 4 files outside its new home \\(4096 bytes`)]])
  const ending = new AbortController()
  setTimeout(() => ending.abort(new Error('aborted')), 100)
  await t.rejects(readLeft(counted, slots, ending.signal), { name: 'AbortError' })
})

void t.test('readLeft() runs no search for slots without a home', async (t) => {
  const { counted, looked } = open()
  t.strictSame([...(await readLeft(counted, [slotAt(smallLayout, 3)], signal))], [])
  t.equal(looked(), 0)
})

void t.test('liftLimits() lifts existing limits, and writes nothing without limits', async (t) => {
  const { fake, host, quota } = open()
  fake.use('user', first.uid, { bytes: 4096, inodes: 1 })
  fake.meddle('user', first.uid, [1, 2, 3, 4])
  const { mount, bounds } = await quota.read([])
  const place = { kind: 'user', mount, bounds } as const
  t.strictSame([...(await liftLimits(quota, place, [first.uid, second.uid]))], [])
  matchWhole(t, await quota.report([first.uid]), [{ bytes: { soft: 'none', hard: 'none' }, inodes: { hard: 'none' } }])
  const before = host.commands.length
  await liftLimits(quota, place, [])
  t.equal(host.commands.length, before)
  await liftLimits(quota, place, [first.uid])
  t.strictSame(
    host.commands.slice(before).map(([program]) => program),
    ['/usr/sbin/repquota'],
  )
})

void t.test('liftLimits() returns errors by uid', async (t) => {
  const fake = createFakeQuota({ refused: [first.uid] })
  const host = createFakeHost({ programs: fake.programs, files: fake.files })
  for (const { uid } of slots) fake.meddle('user', uid, [0, 8, 0, 0])
  const quota = openQuota(host, '/home')
  const kept = await liftLimits(quota, await quota.read([]), [first.uid, second.uid])
  matchWhole(t, [...kept], [[first.uid, /out of range/]])
})

void t.test('findLeft() returns uids without an account that own files or have limits', async (t) => {
  const { fake, counted } = open([second.uid])
  const view = {
    builtSlots: [
      { slot: first, egress: 'default', free: false },
      { slot: second, egress: 'default', free: true },
    ],
  } as unknown as View
  const range = { first: first.uid, last: first.uid + 40 }
  fake.use('user', first.uid, { bytes: 4096, inodes: 40 })
  fake.use('user', second.uid, { bytes: 4096, inodes: 1 })
  fake.use('user', 1000, { bytes: 4096, inodes: 1 })
  t.strictSame(await findLeft(counted, view, range, signal), [], 'not a new home, and not a person')
  fake.use('user', second.uid, { bytes: 8192, inodes: 3 })
  fake.meddle('user', second.uid, [0, 8, 0, 0])
  fake.use('user', first.uid + 2, { bytes: 4096, inodes: 1 })
  t.matchOnlyStrict(await findLeft(counted, view, range, signal), [
    {
      works: false,
      what: `uid ${second.uid} (its slot is free)`,
      otherwise: new RegExp(
        `^it owns 2 files \\(8192 bytes in total\\): list them with "find /home -xdev -uid ${second.uid}" .*; it has disk limits: .* "setquota -u ${second.uid} 0 0 0 0 /home"$`,
      ),
    },
    { works: false, what: `uid ${first.uid + 2} (no slot has it)`, otherwise: /^it owns 1 file / },
  ])
  for (let n = 3; n < 30; n += 1) fake.use('user', first.uid + n, { bytes: 4096, inodes: 1 })
  const many = await findLeft(counted, view, range, signal)
  t.equal(many.length, 21)
  t.match(many.at(-1), { what: '9 more uids' })
})
