import { defaultLayout } from '@puppy/accounts'
import t from 'tap'
import {
  presentAccount,
  presentDomain,
  presentHost,
  presentPlan,
  presentPool,
  presentUsage,
  writeStatus,
  type Context,
} from '../src/present.ts'
import type { AccountRow } from '@puppy/state/store/accounts'
import type { DomainRow } from '@puppy/state/store/domains'
import type { HostRow } from '@puppy/state/store/hosts'

const createdAt = new Date('2026-01-01T00:00:00Z')
const updatedAt = new Date('2026-02-01T00:00:00Z')
const at = '2026-02-01T00:00:01.000Z'
const works = { works: true }

const host: HostRow = {
  name: 'h1',
  machineId: 'secret-machine',
  layout: defaultLayout,
  mode: 'live',
  poolFree: 2,
  poolMax: 100,
  facilities: { accounts: works, haproxy: works, quota: { works: false, reason: 'off', remedy: 'mount -o usrquota' } },
  conditions: [],
  generation: 1,
  observedGeneration: 1,
  driftLast: 0,
  driftTotal: 0,
  completeTotal: 0,
  planWanted: 0,
  planMade: 0,
  changes: [],
  heartbeatAt: updatedAt,
  lookedAt: null,
  alive: true,
}

const account: AccountRow = {
  id: 5,
  reseller: 'acme',
  name: 'blog',
  host: 'h1',
  slot: 7,
  plan: 'small',
  planSpec: { class: 'production', ports: 3, domains: 2 },
  sshKeys: ['ssh-ed25519 AAAA anna'],
  state: 'active',
  labels: { customer: '42' },
  generation: 3,
  observedGeneration: 3,
  conditions: [{ type: 'accounts', status: 'true', reason: 'applied', message: 'wrote /etc/passwd', at }],
  createdAt,
  updatedAt,
  deletedAt: null,
}

const domain: DomainRow = {
  id: 9,
  name: 'example.com',
  account: 5,
  accountName: 'blog',
  reseller: 'acme',
  host: 'h1',
  slot: 7,
  suspended: false,
  port: 10_296,
  generation: 1,
  observedGeneration: 1,
  conditions: [{ type: 'haproxy', status: 'true', reason: 'applied', at }],
  listener: 'listening',
  createdAt,
  updatedAt,
  deletedAt: null,
}

const context = (change: Partial<Context> = {}): Context => ({
  hosts: new Map([['h1', host]]),
  required: [],
  admin: false,
  ...change,
})

void t.test('presentAccount() computes user, uid, home and ports from the slot', async (t) => {
  t.strictSame(presentAccount(account, [domain], context()), {
    name: 'blog',
    reseller: 'acme',
    host: 'h1',
    user: 'p10007',
    uid: 10_007,
    home: '/home/p10007',
    ports: [10_296, 10_297, 10_298],
    plan: 'small',
    sshKeys: ['ssh-ed25519 AAAA anna'],
    state: 'active',
    labels: { customer: '42' },
    domains: [{ name: 'example.com', port: 10_296, listener: 'listening' }],
    generation: 3,
    observedGeneration: 3,
    ready: true,
    missing: ['cgroups', 'view', 'mounts', 'quota', 'firewall', 'selinux'],
    conditions: [{ type: 'accounts', status: 'true', reason: 'applied', at }],
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-02-01T00:00:00.000Z',
  })
})

void t.test('presentAccount() omits user, uid and home of an account without a slot', async (t) => {
  const shown = presentAccount({ ...account, slot: null }, [], context())
  t.strictSame(shown.ports, [])
  for (const field of ['user', 'uid', 'home']) t.notOk(field in shown, field)
})

void t.test('presentAccount() shows messages to admins only', async (t) => {
  t.strictSame(presentAccount(account, [], context({ admin: true })).conditions, [
    { type: 'accounts', status: 'true', reason: 'applied', message: 'wrote /etc/passwd', at },
  ])
  t.strictSame(presentAccount(account, [], context()).conditions, [
    { type: 'accounts', status: 'true', reason: 'applied', at },
  ])
})

const unready: readonly [string, Partial<AccountRow>, Partial<Context>][] = [
  ['before the host has observed it', { observedGeneration: 2 }, {}],
  ['without any condition', { conditions: [] }, {}],
  ['with a false condition', { conditions: [{ type: 'quota', status: 'false', reason: 'refused', at }] }, {}],
  ['with an unknown condition', { conditions: [{ type: 'quota', status: 'unknown', reason: 'dry_run', at }] }, {}],
  ['when a required layer is missing', {}, { required: ['selinux'] }],
  ['when a layer is required and the host is unknown', {}, { required: ['accounts'], hosts: new Map() }],
]
for (const [title, row, change] of unready) {
  void t.test(`presentAccount() is not ready ${title}`, async (t) => {
    t.equal(presentAccount({ ...account, ...row }, [], context(change)).ready, false)
  })
}

void t.test('presentAccount() is ready when every required layer works', async (t) => {
  t.equal(presentAccount(account, [], context({ required: ['accounts', 'haproxy'] })).ready, true)
})

void t.test('presentDomain() returns the account and the listener of the port', async (t) => {
  t.strictSame(presentDomain(domain, context()), {
    name: 'example.com',
    reseller: 'acme',
    account: 'blog',
    port: 10_296,
    listener: 'listening',
    generation: 1,
    observedGeneration: 1,
    ready: true,
    missing: ['cgroups', 'view', 'mounts', 'quota', 'firewall', 'selinux'],
    conditions: [{ type: 'haproxy', status: 'true', reason: 'applied', at }],
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-02-01T00:00:00.000Z',
  })
})

void t.test('presentDomain() omits a listener that was not observed', async (t) => {
  t.notOk('listener' in presentDomain({ ...domain, listener: null }, context()))
})

void t.test('presentPlan() returns the limits as fields of the plan', async (t) => {
  const spec = { class: 'development', memory: { max: 5 }, ports: 1, domains: 0 } as const
  t.strictSame(presentPlan({ name: 'small', spec, generation: 2, createdAt, updatedAt }), {
    name: 'small',
    ...spec,
    generation: 2,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-02-01T00:00:00.000Z',
  })
})

const counts = { building: 0, free: 1, taken: 1, dirty: 0, blocked: 1 }
const slot = { state: 'free', evicted: true, reason: null, message: null, usedAt: null } as const
const blocked = { ...slot, n: 2, state: 'blocked', reason: 'port_in_use', message: 'nginx listens on 10256' } as const

void t.test('presentPool() lists the slots that cannot be used', async (t) => {
  const quiet = { ...slot, n: 3, state: 'dirty', reason: 'processes_left' } as const
  t.strictSame(presentPool(host, counts, 4, [{ ...slot, n: 1 }, blocked, quiet]), {
    free: 2,
    max: 100,
    slots: counts,
    waiting: 4,
    trouble: [
      { slot: 2, user: 'p10002', state: 'blocked', reason: 'port_in_use', message: 'nginx listens on 10256' },
      { slot: 3, user: 'p10003', state: 'dirty', reason: 'processes_left' },
    ],
  })
})

void t.test('presentHost() returns facilities and missing layers, but not the machine id', async (t) => {
  const pool = presentPool(host, counts, 0, [])
  t.strictSame(presentHost(host, pool), {
    name: 'h1',
    mode: 'live',
    alive: true,
    heartbeatAt: '2026-02-01T00:00:00.000Z',
    facilities: host.facilities,
    missing: ['cgroups', 'view', 'mounts', 'quota', 'firewall', 'selinux'],
    conditions: [],
    pool,
  })
  t.notOk('heartbeatAt' in presentHost({ ...host, heartbeatAt: null }, pool), 'an agent that never reported')
})

void t.test('presentUsage() returns traffic and disk only if they were counted', async (t) => {
  const counts = { requests: 1, bytesIn: 2, bytesOut: 3 }
  const row = {
    ...counts,
    sent: null,
    received: null,
    disk: null,
    processes: null,
    since: createdAt,
    sampledAt: updatedAt,
  }
  const times = { since: createdAt.toISOString(), sampledAt: updatedAt.toISOString() }
  t.strictSame(presentUsage(account, row), { ...counts, ...times })
  t.strictSame(presentUsage(account, { ...row, sent: 0, received: 5 }), {
    ...counts,
    traffic: { sent: 0, received: 5 },
    ...times,
  })
  const disk = { bytes: { used: 4096, limit: 8192 }, inodes: { used: 1 } }
  t.strictSame(presentUsage(account, { ...row, disk }), { ...counts, disk, ...times })
  const counters = {
    cpuUsec: 5,
    throttledUsec: 0,
    readBytes: 1,
    writtenBytes: 2,
    readOperations: 1,
    writtenOperations: 1,
  }
  const total = { ...counters, oomKills: 0, forksRefused: 3 }
  const now = { memoryBytes: 4096, processes: 2 }
  t.strictSame(presentUsage(account, { ...row, processes: { total, now, last: total, disks: true, boot: 'secret' } }), {
    ...counts,
    processes: { ...total, ...now },
    ...times,
  })
  const few = presentUsage(account, { ...row, processes: { total, now, last: total, disks: false, boot: 'secret' } })
  t.notOk('readBytes' in (few.processes ?? {}), 'disk use that was not counted')
  const never = { requests: 0, bytesIn: 0, bytesOut: 0, since: times.since, sampledAt: times.since }
  t.strictSame(presentUsage(account, undefined), never)
})

const statuses: readonly [string, number, boolean, number][] = [
  ['201 for a created and observed resource', 1, true, 201],
  ['200 for an existing and observed resource', 1, false, 200],
  ['202 for a created resource that was not observed', 0, true, 202],
  ['202 for an existing resource that was not observed', 0, false, 202],
]
for (const [title, observedGeneration, created, status] of statuses) {
  void t.test(`writeStatus() returns ${title}`, async (t) => {
    t.equal(writeStatus({ generation: 1, observedGeneration, conditions: [] }, created), status)
  })
}
