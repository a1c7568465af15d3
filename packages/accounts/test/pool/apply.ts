import { appendFileSync, writeFileSync } from 'node:fs'
import { HostError, type Host } from '@puppy/host'
import { createFakeHost } from '@puppy/host/fake'
import t from 'tap'
import { applyPool } from '../../src/pool/apply.ts'
import { planPool } from '../../src/pool/plan.ts'
import { openPool } from '../../src/pool/pool.ts'
import { readPool } from '../../src/pool/read.ts'
import { noReservations } from '../../src/reserved.ts'
import { defaultLayout, slotAt, type Slot, type SlotLayout } from '../../src/slots.ts'
import { scratch, whyNot } from '../support/scratch.ts'
import { shown } from '../support/shown.ts'

const skip = whyNot('systemd-sysusers', 'systemd-tmpfiles')
const planNow = async (host: Host, layout: SlotLayout, slots: readonly Slot[]) =>
  planPool(slots, await readPool(host, layout, slots))
const anna = 'anna:x:10000:100::/home/anna:/bin/sh\n'

void t.test('applyPool() does not change a slot that changed after it was read', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  const changeSet = await planNow(host, layout, slots)
  writeFileSync(host.path('/etc/passwd'), anna)
  const applied = await applyPool(host, layout, changeSet)
  t.equal(applied.changes, changeSet.changes)
  t.matchOnlyStrict(applied.results.map(shown), [
    { n: 0, target: 'p10000', changed: false, code: 'ACCOUNT_STALE', message: /read and plan again/ },
    { n: 1, target: 'p10001', changed: true },
  ])
  t.notMatch(await host.read('/etc/passwd'), 'p10000', 'an account with another uid would never be corrected')
  t.equal(await host.status('/home/p10000'), undefined)
})

void t.test('applyPool() creates no account when the shared group changed after the plan', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  const changeSet = await planNow(host, layout, slots)
  writeFileSync(host.path('/etc/group'), 'staff2:x:9999:\n')
  const { changed, results } = await applyPool(host, layout, changeSet)
  t.strictSame([changed, ...results.map(({ error }) => error?.code)], [false, 'ACCOUNT_STALE', 'ACCOUNT_STALE'])
  t.equal(await host.read('/etc/passwd'), undefined)
})

void t.test(
  'applyPool() reads back, and fails only the slot of a user that appeared meanwhile',
  { skip },
  async (t) => {
    const { host, layout, slots } = scratch(t, 2)
    const changeSet = await planNow(host, layout, slots)
    const run: typeof host.run = (command, options) => {
      if (command[0].includes('sysusers')) appendFileSync(host.path('/etc/passwd'), anna)
      return host.run(command, options)
    }
    const { results } = await applyPool({ ...host, run }, layout, changeSet)
    t.matchOnlyStrict(results.map(shown), [
      {
        n: 0,
        target: 'p10000',
        changed: true,
        code: 'ACCOUNT_NOT_APPLIED',
        reason: 'account_wrong',
        message: /its uid is 999/,
      },
      { n: 1, target: 'p10001', changed: true },
    ])
    t.equal(await host.status('/home/p10000'), undefined, 'no home is created for a wrong account')
  },
)

void t.test('applyPool() reports a home that it cannot repair, and repairs the other homes', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 2)
  await openPool(host, layout).ensure(slots)
  for (const { home } of slots) await host.makeFolder(home, { mode: 0o755 })
  const cause = new HostError('HOST_WRITE_FAILED', { operation: 'make the folder', detail: 'read-only' })
  const makeFolder: typeof host.makeFolder = (path, options) =>
    path === '/home/p10000' ? Promise.reject(cause) : host.makeFolder(path, options)
  const { results } = await openPool({ ...host, makeFolder }, layout).ensure(slots)
  t.matchOnlyStrict(results.map(shown), [
    {
      n: 0,
      target: 'p10000',
      changed: false,
      code: 'ACCOUNT_NOT_APPLIED',
      reason: 'home_wrong',
      message: /read-only/,
    },
    { n: 1, target: 'p10001', changed: true },
  ])
  t.equal(results[0]?.error?.cause, cause)
})

void t.test('applyPool() does not repair homes after an abort', { skip }, async (t) => {
  const { host, layout, slots } = scratch(t, 1)
  await openPool(host, layout).ensure(slots)
  await host.makeFolder('/home/p10000', { mode: 0o755 })
  const changeSet = await planNow(host, layout, slots)
  await t.rejects(applyPool(host, layout, changeSet, { signal: AbortSignal.abort() }), { code: 'HOST_ABORTED' })
  t.match(await host.status('/home/p10000'), { mode: 0o755 })
})

void t.test('applyPool() reports a tool that succeeds and does nothing', async (t) => {
  const programs = { '/usr/bin/getent': () => ({ exitCode: 2 }), '/usr/bin/systemd-sysusers': () => ({}) }
  const host = createFakeHost({ programs })
  const { results } = await openPool(host, defaultLayout).ensure([slotAt(defaultLayout, 0)])
  t.matchOnlyStrict(results.map(shown), [
    {
      n: 0,
      target: 'p10000',
      changed: false,
      code: 'ACCOUNT_NOT_APPLIED',
      reason: 'account_wrong',
      message: /the user does not exist/,
    },
  ])
})

void t.test('applyPool() adds the output of the tool about the slot to the error', async (t) => {
  const programs = {
    '/usr/bin/getent': () => ({ exitCode: 2 }),
    '/usr/bin/systemd-sysusers': () => ({ exitCode: 1, stderr: 'Failed to add p10000: no space left' }),
  }
  const slots = [0, 1].map((n) => slotAt(defaultLayout, n))
  const { results } = await openPool(createFakeHost({ programs }), defaultLayout).ensure(slots)
  t.match(results[0]?.error?.message, /the tool reported: Failed to add p10000: no space left$/)
  t.notMatch(results[1]?.error?.message, /no space left/)
})

void t.test('applyPool() runs nothing for a change set without changes', async (t) => {
  const host = createFakeHost()
  const slot = slotAt(defaultLayout, 0)
  const user = { name: slot.user, uid: slot.uid, gid: slot.gid, gecos: '', dir: slot.home, shell: '/bin/bash' }
  const changeSet = planPool([slot], {
    layout: defaultLayout,
    users: [user],
    groups: [
      { name: slot.user, gid: slot.gid, members: [] },
      { name: 'puppy-tenants', gid: 9999, members: [slot.user] },
    ],
    localGroups: [],
    shadow: [{ name: slot.user, locked: true }],
    covered: new Set(),
    homes: new Map([[0, { kind: 'folder', mode: 0o700, uid: slot.uid, gid: slot.gid, size: 0 }]]),
    skeleton: [],
    reserved: noReservations,
  })
  t.strictSame(await applyPool(host, defaultLayout, changeSet), {
    changed: false,
    changes: [],
    results: [{ n: 0, target: 'p10000', changed: false }],
  })
  t.strictSame(host.commands, [])
})
