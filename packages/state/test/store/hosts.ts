import { defaultLayout } from '@puppy/accounts'
import t from 'tap'
import type { Condition } from '../../src/conditions.ts'
import {
  askForPlan,
  beat,
  chooseHost,
  findHost,
  listHosts,
  recordHost,
  recordPlan,
  registerHost,
  setPool,
  type PlannedChange,
} from '../../src/store/hosts.ts'
import { takeSlot } from '../../src/store/slots.ts'
import { addHost, addAccount, addPlan, one } from '../support/rows.ts'
import { startPostgres } from '../support/database.ts'

const postgres = await startPostgres(t)
const registration = {
  name: 'h1',
  machineId: 'a',
  layout: defaultLayout,
  mode: 'dry_run',
  poolFree: 10,
  poolMax: 2816,
} as const
const applied: Condition = { type: 'accounts', status: 'true', reason: 'applied', at: '2026-01-01T00:00:00.000Z' }

void t.test('registerHost() inserts a host the first time', async (t) => {
  const { agent, api } = await postgres.create(t)
  const row = await registerHost(agent, registration)
  t.strictSame(row, {
    ...registration,
    facilities: {},
    conditions: [],
    generation: 1,
    observedGeneration: 0,
    planWanted: 0,
    planMade: 0,
    changes: [],
    heartbeatAt: null,
    lookedAt: null,
    driftLast: 0,
    driftTotal: 0,
    completeTotal: 0,
    alive: false,
  })
  t.strictSame(await findHost(api, 'h1'), row)
  t.equal(await findHost(api, 'h2'), undefined)
})

void t.test('registerHost() keeps the pool that an operator set, and updates the mode', async (t) => {
  const { agent, api } = await postgres.create(t)
  await registerHost(agent, registration)
  await setPool(api, 'h1', { free: 3, max: 30 })
  t.match(await registerHost(agent, { ...registration, mode: 'live' }), { mode: 'live', poolFree: 3, poolMax: 30 })
})

void t.test('registerHost() accepts a new layout only while the host has no slots', async (t) => {
  const { agent } = await postgres.create(t)
  const layout = { ...defaultLayout, firstPort: 20_000 }
  await registerHost(agent, registration)
  t.match(await registerHost(agent, { ...registration, layout }), { layout: { firstPort: 20_000 } })
  await addHost(agent, 'h2', 1)
  t.match(await registerHost(agent, { ...registration, name: 'h2', machineId: 'machine of h2', layout }), {
    layout: { firstPort: 10_240 },
  })
})

void t.test('registerHost() changes nothing for another machine, and returns the row that has the name', async (t) => {
  const { agent } = await postgres.create(t)
  await registerHost(agent, registration)
  t.match(await registerHost(agent, { ...registration, machineId: 'b', mode: 'live' }), {
    machineId: 'a',
    mode: 'dry_run',
  })
})

void t.test('listHosts() returns all hosts by name', async (t) => {
  const { agent, api } = await postgres.create(t)
  t.strictSame(await listHosts(api), [])
  for (const name of ['b', 'c', 'a']) await addHost(agent, name, 0)
  t.strictSame(
    (await listHosts(api)).map(({ name }) => name),
    ['a', 'b', 'c'],
  )
})

void t.test('beat() makes a host alive for ten seconds', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  await beat(agent, 'h1')
  t.match(await findHost(api, 'h1'), { alive: true, heartbeatAt: Date })
  await owner.query(`update hosts set heartbeat_at = now() - interval '11 seconds'`)
  t.match(await findHost(api, 'h1'), { alive: false, heartbeatAt: Date })
})

void t.test('recordHost() records an observation and a heartbeat, and never decreases the generation', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  const facilities = { quota: { works: false, reason: 'not_mounted' } }
  await api.query('update hosts set generation = 2')
  await recordHost(agent, 'h1', { generation: 2, facilities, conditions: [applied] })
  const seen = async () => {
    const row = await findHost(api, 'h1')
    return [row?.observedGeneration, row?.facilities, row?.conditions, row?.alive]
  }
  t.strictSame(await seen(), [2, facilities, [applied], true])
  await recordHost(agent, 'h1', { generation: 1, facilities: {}, conditions: [] })
  t.strictSame(await seen(), [2, {}, [], true])
})

void t.test('askForPlan() counts requested plans, and recordPlan() counts plans that were made', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent)
  const change: PlannedChange = { facility: 'quota', target: 'p10000', action: 'set', before: '0', after: '1' }
  t.equal(await askForPlan(api, 'h1'), 1)
  t.equal(await askForPlan(api, 'h1'), 2)
  t.equal(await askForPlan(api, 'h2'), undefined)
  await recordPlan(agent, 'h1', 2, [change])
  t.match(await findHost(api, 'h1'), { planWanted: 2, planMade: 2 })
  t.strictSame((await findHost(api, 'h1'))?.changes, [change])
  await recordPlan(agent, 'h1', 1, [])
  t.match(await findHost(api, 'h1'), { planMade: 2 }, 'it never decreases')
})

void t.test('setPool() increases the generation if the pool differs, and writes nothing otherwise', async (t) => {
  const { agent, api, owner } = await postgres.create(t)
  await addHost(agent)
  t.equal(await setPool(api, 'h1', { free: 5, max: 50 }), true)
  t.match(await findHost(api, 'h1'), { poolFree: 5, poolMax: 50, generation: 2 })
  const row = () => one(owner, 'select xmin::text from hosts')
  const before = await row()
  t.equal(await setPool(api, 'h1', { free: 5, max: 50 }), false)
  t.strictSame(await row(), before)
  t.equal(await setPool(api, 'h2', { free: 5, max: 50 }), false)
})

void t.test('chooseHost() returns undefined without a host', async (t) => {
  t.equal(await chooseHost((await postgres.create(t)).api), undefined)
})

void t.test('chooseHost() prefers a host that is alive to one with more free slots', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'a', 5)
  await addHost(agent, 'b', 1)
  t.match(await chooseHost(api), { name: 'a' }, 'no host is alive')
  await beat(agent, 'b')
  t.match(await chooseHost(api), { name: 'b' })
})

void t.test('chooseHost() prefers the host with most free slots', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addHost(agent, 'a', 2)
  await addHost(agent, 'b', 3)
  t.match(await chooseHost(api), { name: 'b' })
  for (let taken = 0; taken < 2; taken += 1) await takeSlot(api, 'b')
  t.match(await chooseHost(api), { name: 'a' })
})

void t.test('chooseHost() prefers the host with most room to grow if no slot is free', async (t) => {
  const { agent, api } = await postgres.create(t)
  await addPlan(api)
  await addHost(agent, 'full', 1)
  await addHost(agent, 'large', 3)
  await setPool(api, 'full', { free: 1, max: 1 })
  await setPool(api, 'large', { free: 1, max: 5 })
  await takeSlot(api, 'full')
  for (let taken = 0; taken < 3; taken += 1) await takeSlot(api, 'large')
  t.match(await chooseHost(api), { name: 'large' }, 'the other host has fewer slots and is at its maximum')
  await setPool(api, 'full', { free: 1, max: 2 })
  await addAccount(api, 'first', { host: 'large', slot: null })
  await addAccount(api, 'second', { host: 'large', slot: null })
  t.match(await chooseHost(api), { name: 'full' }, 'the waiting accounts need the room of the large host')
})

void t.test('agents may register and record hosts, and the API may not', async (t) => {
  const { api } = await postgres.create(t)
  await t.rejects(registerHost(api, registration), { code: '42501' })
  await t.rejects(recordHost(api, 'h1', { generation: 1, facilities: {}, conditions: [] }), { code: '42501' })
})
