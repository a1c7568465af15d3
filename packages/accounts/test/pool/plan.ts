import t from 'tap'
import { defaultLayout, slotAt } from '../../src/slots.ts'
import type { PoolObservation } from '../../src/pool/read.ts'
import { planPool } from '../../src/pool/plan.ts'
import { noReservations } from '../../src/reserved.ts'
import { shown } from '../support/shown.ts'

const slots = [0, 1, 2].map((n) => slotAt(defaultLayout, n))
const nothing: PoolObservation = {
  layout: defaultLayout,
  users: [],
  groups: [],
  localGroups: [],
  shadow: [],
  homes: new Map(),
  covered: new Set(),
  skeleton: [],
  reserved: noReservations,
}

void t.test('planPool() plans account and home of each slot, and the shared group once', (t) => {
  const plan = planPool(slots, nothing)
  t.strictSame(
    plan.changes.map(({ target, action }) => `${action} ${target}`),
    [
      'create group puppy-tenants',
      ...['p10000', 'p10001', 'p10002'].flatMap((user) => [`create account ${user}`, `create home ${user}`]),
    ],
  )
  t.strictSame(plan.group, { exists: false, gid: 9999 })
  t.strictSame([plan.refused, plan.ready, plan.kept], [[], [], []])
  t.end()
})

void t.test('planPool() lets sysusers choose the shared gid when the preferred one is taken', (t) => {
  const plan = planPool(slots, { ...nothing, groups: [{ name: 'staff2', gid: 9999, members: [] }] })
  t.strictSame(plan.group, { exists: false })
  t.match(plan.changes[0], { after: 'a free gid' })
  t.end()
})

void t.test('planPool() blocks slots with reserved ports or foreign listeners, and plans the other slots', (t) => {
  const listener = (port: number, uid: number) => ({ address: '0.0.0.0', family: 'ipv4', port, uid, inode: 1 }) as const
  const plan = planPool(slots, {
    ...nothing,
    reserved: {
      services: [{ first: 10_247, last: 10_247, owner: 'nbd' }],
      labels: [],
      listeners: [listener(10_248, 33), listener(10_256, 10_002), listener(80, 0)],
      notes: [],
    },
  })
  const blocked = { code: 'ACCOUNT_SLOT_BLOCKED' }
  t.matchOnlyStrict(plan.refused.map(shown), [
    { n: 0, target: 'p10000', ...blocked, reason: 'port_reserved', message: /10247.*nbd/ },
    { n: 1, target: 'p10001', ...blocked, reason: 'port_in_use', message: /33.*10248/ },
  ])
  t.strictSame(
    plan.work.map(({ slot }) => slot.n),
    [2],
    "a tenant's own listener is no obstacle",
  )
  t.end()
})

void t.test('planPool() checks everything except the ports of a taken slot', (t) => {
  const anna = { name: 'anna', uid: 10_001, gid: 100, gecos: '', dir: '/home/anna', shell: '/bin/sh' }
  const { refused, work } = planPool(
    slots.map((slot) => ({ ...slot, taken: slot.n < 2 })),
    {
      ...nothing,
      users: [anna],
      reserved: { ...noReservations, services: [{ first: 10_240, last: 10_263, owner: 'nbd' }] },
    },
  )
  t.strictSame(
    refused.map(({ n, error }) => [n, error.facts.reason]),
    [
      [1, 'uid_taken'],
      [2, 'port_reserved'],
    ],
  )
  t.strictSame(
    work.map(({ slot }) => slot.n),
    [0],
  )
  t.end()
})

void t.test('planPool() plans only what is missing', (t) => {
  const user = { name: 'p10000', uid: 10_000, gid: 10_000, gecos: '', dir: '/home/p10000', shell: '/bin/zsh' }
  const seen: PoolObservation = {
    ...nothing,
    users: [user],
    groups: [
      { name: 'p10000', gid: 10_000, members: [] },
      { name: 'puppy-tenants', gid: 77, members: ['p10000'] },
    ],
    shadow: [{ name: 'p10000', locked: true }],
    homes: new Map([[0, { kind: 'folder', mode: 0o755, uid: 10_000, gid: 10_000, size: 0 }]]),
  }
  const plan = planPool(slots.slice(0, 1), seen)
  const before = {
    hasUser: true,
    hasGroup: true,
    isMember: true,
    home: 'wrong',
    kept: 'its shell is /bin/zsh, not /bin/bash',
  }
  t.strictSame(plan.work, [{ slot: slots[0], account: false, home: 'repair', before }])
  t.strictSame(plan.group, { exists: true })
  t.matchOnlyStrict(plan.kept, [{ n: 0, message: /zsh/ }])
  const ready = planPool(slots.slice(0, 1), { ...seen, homes: new Map([[0, { ...seen.homes.get(0)!, mode: 0o700 }]]) })
  t.strictSame([ready.changes, ready.work, ready.refused, ready.ready], [[], [], [], [slots[0]]])
  t.end()
})
