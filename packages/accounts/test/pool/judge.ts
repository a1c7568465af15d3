import { createHost, type FileStatus } from '@puppy/host'
import t from 'tap'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import { indexSlots, judgeSlot, readStates, slotBlocked } from '../../src/pool/judge.ts'
import type { SlotsObservation } from '../../src/pool/read.ts'

const slot = slotAt(defaultLayout, 3)
const user = { name: 'p10003', uid: 10_003, gid: 10_003, gecos: '', dir: '/home/p10003', shell: '/bin/bash' }
const group = { name: 'p10003', gid: 10_003, members: [] }
const shared = { name: 'puppy-tenants', gid: 9999, members: ['p10003'] }
const home: FileStatus = { kind: 'folder', mode: 0o700, uid: 10_003, gid: 10_003, size: 0 }
const right: SlotsObservation = {
  layout: defaultLayout,
  users: [user, user],
  groups: [group, shared],
  localGroups: [group, shared],
  shadow: [{ name: 'p10003', locked: true }],
  covered: new Set(),
  homes: new Map([[3, home]]),
  skeleton: [],
}
const judge = (part: Partial<SlotsObservation>) => judgeSlot(slot, indexSlots({ ...right, ...part }))

void t.test('judgeSlot() accepts the user, group and home of its slot', (t) => {
  t.strictSame(judge({}), { hasUser: true, hasGroup: true, isMember: true, home: 'right' })
  t.end()
})

void t.test('judgeSlot() finds an unused slot free', (t) => {
  const nothing = { users: [], groups: [], localGroups: [], shadow: [], homes: new Map() }
  t.strictSame(judge(nothing), { hasUser: false, hasGroup: false, isMember: false, home: 'absent' })
  t.end()
})

const withUser = (part: Partial<typeof user>) => ({ users: [{ ...user, ...part }] })
const withHome = (part: Partial<FileStatus>) => ({ homes: new Map([[3, { ...home, ...part }]]) })
const blocks: readonly (readonly [string, Partial<SlotsObservation>, string])[] = [
  ['a user of that name with another uid', withUser({ uid: 555 }), 'user_taken'],
  ['one with another gid', withUser({ gid: 100 }), 'user_taken'],
  ['one with another home', withUser({ dir: '/srv/x' }), 'user_taken'],
  ['one whose name is written otherwise', withUser({ name: 'P10003', uid: 7 }), 'user_taken'],
  ['one with an open password', { shadow: [{ name: 'p10003', locked: false }] }, 'user_taken'],
  ['one without a line in shadow', { shadow: [] }, 'user_taken'],
  ['the uid with another name', withUser({ name: 'anna' }), 'uid_taken'],
  ['a second user of the uid', { users: [user, { ...user, name: 'anna' }] }, 'uid_taken'],
  [
    'a name that waits in another group',
    { localGroups: [{ name: 'docker', gid: 5, members: ['p10003'] }] },
    'user_taken',
  ],
  ['a group of that name with another gid', { groups: [{ ...group, gid: 4 }] }, 'group_taken'],
  ['a group with members', { groups: [{ ...group, members: ['anna'] }] }, 'group_taken'],
  ['the gid with another name', { groups: [{ ...group, name: 'staff2' }] }, 'gid_taken'],
  ['a home that is a link', withHome({ kind: 'link', uid: 0 }), 'home_taken'],
  ["a link that is the slot's own", withHome({ kind: 'link' }), 'home_taken'],
  ["a home that is another's", withHome({ uid: 0 }), 'home_taken'],
]
for (const [what, part, reason] of blocks) {
  void t.test(`judgeSlot() blocks ${what}`, (t) => {
    t.equal(judge(part).block?.reason, reason)
    t.end()
  })
}

void t.test('judgeSlot() keeps and reports another shell', (t) => {
  const verdict = judge(withUser({ shell: '/usr/sbin/nologin' }))
  t.equal(verdict.block, undefined)
  t.match(verdict.kept, /nologin/)
  t.end()
})

void t.test('judgeSlot() finds a home to repair, and does not block without the shadow file', (t) => {
  t.equal(judge(withHome({ mode: 0o755 })).home, 'wrong')
  t.equal(judge(withHome({ gid: 9999 })).home, 'wrong')
  const { shadow: _, ...unread } = right
  t.equal(judgeSlot(slot, indexSlots(unread)).block, undefined)
  t.end()
})

void t.test('readStates() returns states by slot number', async (t) => {
  const root = t.testdir({ etc: { passwd: 'anna:x:10003:100::/home/anna:/bin/sh\n' } })
  const states = await readStates(createHost({ root }), defaultLayout, [slot, slotAt(defaultLayout, 4)], {})
  t.strictSame([...states.keys()], [3, 4])
  t.equal(states.get(3)?.block?.reason, 'uid_taken')
  t.equal(states.get(4)?.block, undefined)
})

void t.test('slotBlocked() returns an error with the reason', (t) => {
  const error = slotBlocked('scrub the slot', slot, { reason: 'uid_taken', detail: 'the uid 10003 belongs to anna' })
  t.equal(error.code, 'ACCOUNT_SLOT_BLOCKED')
  t.equal(error.facts.reason, 'uid_taken')
  t.equal(error.message, 'Cannot scrub the slot "p10003": the uid 10003 belongs to anna')
  t.end()
})
