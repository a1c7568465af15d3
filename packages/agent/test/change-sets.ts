import { setTimeout as sleep } from 'node:timers/promises'
import { isRoot } from '@puppy/host/testing'
import { findHost, type PlannedChange } from '@puppy/state/store/hosts'
import { startPostgres } from '@puppy/state/testing'
import t, { type Test } from 'tap'
import { servedNothing, type Facility } from '../src/facilities/facility.ts'
import { reconcile } from '../src/reconcile.ts'
import { addAccount, addDomain, addHostWith, contextOf } from './support/agents.ts'
import { everyFacility, recorded } from './support/everything.ts'
import { skip as noProxy } from './support/proxy.ts'
import { smallLayout } from './support/rows.ts'

t.setTimeout(120_000)
const skip = isRoot ? noProxy : 'needs root: files are given to tenants'
const postgres = await startPostgres(t)
const { signal } = new AbortController()
/** Returns changes as text. The database does not keep the order of keys. */
const titles = (changes: readonly PlannedChange[] = []) =>
  changes.map(({ facility, action, target, before, after, command }) =>
    JSON.stringify([facility, action, target, before, after, command]),
  )
/** Waits until the policy transaction in the background has ended. */
const soon = () => sleep(50)

/** Opens a host whose slots every facility builds, and a plan that limits everything. */
async function open(t: Test) {
  const database = await postgres.create(t)
  const { layout, facilities } = await everyFacility(t, smallLayout)
  await addHostWith(database, ['building', 'building'], { layout })
  const spec = {
    class: 'production',
    ports: 3,
    domains: 2,
    cpu: { max: 0.5 },
    memory: { max: 512 * 2 ** 20 },
    pids: { max: 64 },
    disk: { bytes: 10 * 2 ** 20, inodes: 1000 },
    egress: 'client',
  }
  await database.owner.query(`update plans set spec = $1 where name = 'small'`, [JSON.stringify(spec)])
  const applied: PlannedChange[] = []
  const context = contextOf(database, recorded(facilities, applied))
  /** Runs passes until slots and policy exist: the policy is loaded in the background. */
  const build = async () => {
    const first = await reconcile(context, { complete: true, signal })
    await soon()
    return reconcile(context, { complete: true, signal }, first)
  }
  const addTenant = async () => {
    await database.owner.query(`update slots set state = 'taken' where host = 'h1' and n = 0`)
    const account = await addAccount(database.owner, 'blog', 0)
    await addDomain(database.owner, 'blog.example.com', account, layout.firstPort)
  }
  return { database, context, applied, build, addTenant }
}

void t.test(
  'reconcile() applies exactly the changes that a plan of the same moment shows, for every facility',
  { skip },
  async (t) => {
    const { database, context, applied, build, addTenant } = await open(t)
    const planned = async () => {
      const before = applied.length
      await reconcile(context, { complete: true, planOnly: true, signal })
      t.equal(applied.length, before, 'a plan applies nothing')
      return (await findHost(database.owner, 'h1'))?.changes
    }
    const atFirst = titles(await planned())
    const hostStatus = await reconcile(context, { complete: true, signal })
    const named = new Set(applied.map(({ facility }) => facility))
    // On a new host the firewall's table depends on slots that the same pass builds before, and the policy is loaded in the background.
    const independent = (title: string) => !/^\["(firewall|selinux)"/.test(title)
    t.strictSame(titles(applied).filter(independent), atFirst.filter(independent), 'on a new host')
    await soon()

    applied.length = 0
    const forHomes = titles(await planned())
    await reconcile(context, { complete: true, signal }, hostStatus)
    t.strictSame(titles(applied), forHomes, 'when the policy is loaded')
    for (const { facility } of applied) named.add(facility)
    await build()
    await addTenant()

    const forTenant = await planned()
    applied.length = 0
    await reconcile(context, { complete: true, signal }, hostStatus)
    t.strictSame(titles(applied), titles(forTenant), 'for an account and a domain')
    for (const { facility } of applied) named.add(facility)
    const all = ['accounts', 'cgroups', 'firewall', 'haproxy', 'quota', 'selinux']
    t.strictSame([...named].toSorted(), all, 'every facility that makes changes took part')
    t.strictSame(await planned(), [], 'a plan afterwards is empty')
  },
)

void t.test('reconcile() changes nothing in a complete pass after a scoped pass', { skip }, async (t) => {
  const { database, context, applied, build, addTenant } = await open(t)
  const hostStatus = await build()
  await addTenant()
  applied.length = 0
  const after = await reconcile(context, { complete: false, signal }, hostStatus)
  t.not(applied.length, 0, 'the scoped pass did the work')
  applied.length = 0
  await reconcile(context, { complete: true, signal }, after)
  t.strictSame(titles(applied), [], 'for a new account')

  await database.owner.query(`update accounts set state = 'suspended', generation = generation + 1`)
  const suspended = await reconcile(context, { complete: false, signal }, after)
  t.not(applied.length, 0)
  applied.length = 0
  await reconcile(context, { complete: true, signal }, suspended)
  t.strictSame(titles(applied), [], 'for a suspended one')
  const host = await findHost(database.owner, 'h1')
  t.strictSame([host?.driftLast, host?.driftTotal], [0, 0], 'no drift is recorded')
  t.not(host?.completeTotal, 0)
})

void t.test('reconcile() records changes from outside Puppy as drift in a complete pass', { skip }, async (t) => {
  const { database, context, build, addTenant } = await open(t)
  await addTenant()
  const hostStatus = await build()
  const before = (await findHost(database.owner, 'h1'))?.completeTotal ?? 0
  const changed: Facility = {
    name: 'extra',
    probe: async () => ({ works: true }),
    serve: async () => ({
      changes: [{ facility: 'extra', target: 'x', action: 'repair' }],
      apply: async () => servedNothing,
    }),
  }
  const states = { ...hostStatus.states, extra: { works: true } }
  const drifting = { ...context, facilities: [...context.facilities, changed] }
  await reconcile(drifting, { complete: true, signal }, { ...hostStatus, states })
  const host = await findHost(database.owner, 'h1')
  t.strictSame([host?.driftLast, host?.driftTotal, (host?.completeTotal ?? 0) - before], [1, 1, 1])
  await reconcile(drifting, { complete: false, signal }, { ...hostStatus, states })
  t.equal((await findHost(database.owner, 'h1'))?.driftTotal, 1, 'a scoped pass records none')
})
