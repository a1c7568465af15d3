import type { SlotLayout } from '@puppy/accounts'
import type { Host } from '@puppy/host'
import { isRoot } from '@puppy/host/testing'
import type { Database } from '@puppy/state'
import { findHost } from '@puppy/state/store/hosts'
import { nextGeneration } from '@puppy/state/store/bounds'
import { fullPlan, sshKey, startPostgres, type TestDatabase } from '@puppy/state/testing'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { HostStatus, ReconcileContext } from '../src/pass.ts'
import { reconcile } from '../src/reconcile.ts'
import { addHostWith, contextOf } from './support/agents.ts'
import { everyFacility } from './support/everything.ts'
import { hostileValues } from './support/hostile-values.ts'
import { skip as noProxy } from './support/proxy.ts'
import { smallLayout } from './support/rows.ts'

t.setTimeout(900_000)
const skip = isRoot ? noProxy : 'needs root: files are given to tenants'
const postgres = await startPostgres(t)
const { signal } = new AbortController()

const good = 10
/** Accounts that get a hostile row, each with a plan and a domain of its own. */
const seats = 20
const slots = good + seats + 4

/** A column that the API's role may write, with the right that is used. */
interface Column {
  readonly table: string
  readonly column: string
  readonly type: string
  readonly right: 'INSERT' | 'UPDATE'
}

/** One hostile value in one column. */
interface Case extends Column {
  readonly title: string
  readonly sql: string
}

/** Returns the columns that the API's role may write, from the catalogs of the server. A column that it may update is updated. */
async function writableColumns(owner: Database): Promise<readonly Column[]> {
  return owner.query<Column & Record<string, unknown>>(
    `select p.table_name as "table", p.column_name as "column", c.data_type as type,
       case when bool_or(p.privilege_type = 'UPDATE') then 'UPDATE' else 'INSERT' end as "right"
     from information_schema.column_privileges p
     join information_schema.columns c using (table_schema, table_name, column_name)
     where p.grantee = 'puppy_api' and p.table_schema = 'public' and p.privilege_type in ('INSERT', 'UPDATE')
     group by 1, 2, 3 order by 1, 2`,
  )
}

interface Site {
  readonly database: TestDatabase
  readonly context: ReconcileContext & { readonly lines: string[] }
  readonly layout: SlotLayout
  readonly host: Host
  pass(complete: boolean): Promise<HostStatus>
}

/** A row by its names. The good ones are `good-0`, …; the others `seat-0`, …. */
async function addTenant({ database: { owner }, layout }: Pick<Site, 'database' | 'layout'>, name: string, n: number) {
  const spec = JSON.stringify(fullPlan)
  await owner.query('insert into plans (name, spec) values ($1, $2) on conflict (name) do update set spec = $2', [
    name,
    spec,
  ])
  await owner.query(`update slots set state = 'taken', evicted = false where n = $1`, [n])
  const [row] = await owner.query<{ id: number }>(
    `insert into accounts (reseller, name, host, slot, plan, ssh_keys, state, labels)
     values ('root', $1, 'h1', $2, $1, $3, 'active', '{}') returning id`,
    [name, n, [sshKey]],
  )
  await owner.query('insert into domains (name, registrable, account, port) values ($1, $1, $2, $3)', [
    `${name}.example.com`,
    row?.id,
    layout.firstPort + 8 * n,
  ])
}

async function open(t: Test): Promise<Site> {
  const database = await postgres.create(t)
  const { layout, facilities, accountsHost: host } = await everyFacility(t, smallLayout, slots)
  await addHostWith(
    database,
    Array.from({ length: slots }, () => 'building' as const),
    { layout, poolMax: slots },
  )
  const context = contextOf(database, facilities)
  let status: HostStatus | undefined
  /** One round of the agent's loop. */
  const pass = async (complete: boolean) => {
    status = await reconcile(context, { complete, signal }, status)
    const row = await findHost(database.owner, 'h1')
    if (row?.planWanted === row?.planMade) return status
    const { failures } = await reconcile(context, { complete: true, planOnly: true, signal }, status)
    const after = await findHost(database.owner, 'h1')
    const again = after?.planWanted === after?.planMade ? {} : { plan: 'it is wanted again and again' }
    return { ...status, failures: { ...status.failures, ...failures, ...again } }
  }
  await pass(true)
  // The policy is loaded in the background.
  await sleep(50)
  await pass(true)
  for (let n = 0; n < good; n += 1) await addTenant({ database, layout }, `good-${n}`, n)
  for (let n = 0; n < seats; n += 1) await addTenant({ database, layout }, `seat-${n}`, good + n)
  await database.owner.query(`update slots set state = 'dirty', evicted = true, reason = 'kept' where n = $1`, [
    slots - 1,
  ])
  await database.owner.query(`update slots set state = 'blocked' where n = $1`, [slots - 2])
  await pass(true)
  return { database, context, layout, host, pass }
}

interface Standing {
  readonly name: string
  readonly looked: boolean
  readonly conditions: readonly { readonly status: string; readonly type: string; readonly reason: string }[]
  readonly deleted: boolean
}

async function standings(owner: Database): Promise<readonly (Standing & { readonly table: string })[]> {
  return owner.query<Standing & { readonly table: string } & Record<string, unknown>>(
    `select 'accounts' as "table", a.name, a.observed_generation = a.generation as looked, a.conditions,
       a.deleted_at is not null as deleted, a.slot is null as waits from accounts a
     union all
     select 'domains', left(d.name, 60), d.observed_generation = d.generation, d.conditions, d.deleted_at is not null, false from domains d`,
  )
}

const isReady = ({ looked, conditions }: Standing) =>
  looked && conditions.length > 0 && conditions.every(({ status }) => status === 'true')
const isRefused = ({ looked, conditions }: Standing) => looked && conditions.some(({ status }) => status === 'false')

/** Returns what is wrong with the good rows. */
async function effects(site: Site, status: HostStatus): Promise<readonly string[]> {
  const rows = (await standings(site.database.owner)).filter(({ name }) => name.startsWith('good-'))
  const unready = rows
    .filter((row) => !isReady(row))
    .map(({ table, name, conditions }) => `${table} ${name}: ${JSON.stringify(conditions)}`)
  const failures = Object.entries(status.failures).map(([part, why]) => `${part}: ${why}`)
  return [...(rows.length === 2 * good ? [] : [`${rows.length} good rows`]), ...unready, ...failures]
}

/** Writes a hostile value with the API's own rights. Returns whether PostgreSQL accepted it. */
async function write({ database: { api, owner }, layout }: Site, { table, column, right, sql }: Case, seat: number) {
  const name = `seat-${seat}`
  const where: Record<string, string> = {
    accounts: `name = '${name}' and deleted_at is null`,
    domains: `name = '${name}.example.com' and deleted_at is null`,
    plans: `name = '${name}'`,
    hosts: `name = 'h1'`,
  }
  if (right === 'UPDATE') return accepts(api, `update ${table} set ${column} = ${sql} where ${where[table]}`)
  const valid: Record<string, Record<string, string>> = {
    accounts: {
      reseller: `'root'`,
      name: `'${name}'`,
      host: `'h1'`,
      slot: String(good + seat),
      plan: `'${name}'`,
      ssh_keys: `array['${sshKey}']`,
      state: `'active'`,
      labels: `'{}'`,
    },
    domains: {
      name: `'${name}.example.com'`,
      account: `(select id from accounts where name = '${name}' and deleted_at is null)`,
      port: String(layout.firstPort + 8 * (good + seat)),
    },
    plans: { name: `'${name}'`, spec: `'${JSON.stringify(fullPlan)}'` },
    audit: { action: `'x'`, target: `'x'` },
  }
  // The new row takes the place of that of the seat.
  if (table !== 'audit') await removeSeat(owner, name, table)
  const row = { ...valid[table], [column]: sql }
  const accepted = await accepts(
    api,
    `insert into ${table} (${Object.keys(row).join()}) values (${Object.values(row).join()})`,
  )
  return accepted
}

async function accepts(api: Database, sql: string): Promise<boolean> {
  try {
    await api.query(sql)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false
    throw error
  }
}

async function removeSeat(owner: Database, name: string, table = 'accounts') {
  if (table === 'plans') await owner.query('delete from usage')
  if (table !== 'domains') {
    await owner.query(`delete from domains where account in (select id from accounts where plan = $1 or name = $1)`, [
      name,
    ])
    await owner.query('delete from accounts where plan = $1 or name = $1', [name])
  }
  if (table === 'domains') await owner.query('delete from domains where name = $1', [`${name}.example.com`])
  if (table === 'plans') await owner.query('delete from plans where name = $1', [name])
}

/** Mends the row of a seat as a caller of the API does: writes what is valid. Rows that cannot be mended are replaced by new ones. */
async function mend(site: Site, { table, column, right }: Case, seat: number) {
  const { api, owner } = site.database
  const name = `seat-${seat}`
  const next = nextGeneration('generation', 'observed_generation')
  if (right === 'UPDATE' && column !== 'deleted_at') {
    const plan = `'${JSON.stringify(fullPlan)}'`
    const updates: Record<string, string> = {
      plans: `update plans set spec = ${plan}, generation = ${nextGeneration()} where name = '${name}'`,
      accounts: `update accounts set plan = '${name}', ssh_keys = array['${sshKey}'], state = 'active', labels = '{}',
        updated_at = now() where name = '${name}'`,
      domains: `update domains set account = (select id from accounts where name = '${name}' and deleted_at is null),
        port = ${site.layout.firstPort + 8 * (good + seat)}, listener = null, updated_at = now() where name = '${name}.example.com'`,
      hosts: `update hosts set pool_free = 0, pool_max = ${slots}, plan_wanted = ${nextGeneration('plan_wanted', 'plan_made')}`,
    }
    await api.query(updates[table] ?? 'select 1')
    await api.query(`update hosts set generation = ${next}`)
    await api.query(`update accounts set generation = ${next} where name = '${name}'`)
    // A change of a domain reaches its account too. That of an account alone must be noticed by itself.
    if (table === 'domains')
      await api.query(`update domains set generation = ${next} where name = '${name}.example.com'`)
    return
  }
  if (table === 'audit') return
  await owner.query(`delete from domains where name not like 'good-%' and name not like 'seat-%'`)
  await owner.query(
    `delete from domains where account in (select id from accounts where name not like 'good-%' and name not like 'seat-%')`,
  )
  await owner.query(`delete from accounts where name not like 'good-%' and name not like 'seat-%'`)
  await removeSeat(owner, name, 'domains')
  await removeSeat(owner, name)
  await addTenant(site, name, good + seat)
}

interface Tally {
  cases: number
  refusedByServer: number
  refusedByAgent: number
  valid: number
}

/** Runs cases together, each on its own seat. Returns what went wrong. */
async function runTogether(site: Site, cases: readonly Case[], tally: Tally): Promise<readonly string[]> {
  const { owner, api } = site.database
  const accepted: { readonly one: Case; readonly seat: number }[] = []
  for (const [seat, one] of cases.entries()) {
    if (await write(site, one, seat)) accepted.push({ one, seat })
    else if (one.right === 'INSERT' && one.table !== 'audit') await mend(site, one, seat)
  }
  tally.cases += cases.length
  tally.refusedByServer += cases.length - accepted.length
  if (accepted.length === 0) return []
  // A change of a plan reaches its accounts by their generations. The generation itself may be the hostile value.
  const next = nextGeneration('generation', 'observed_generation')
  for (const { one, seat } of accepted)
    if (one.table === 'plans') await api.query(`update accounts set generation = ${next} where plan = 'seat-${seat}'`)
  await owner.query(`update accounts set generation = generation + 1 where name like 'good-%'`)
  await owner.query(`update domains set generation = generation + 1 where name like 'good-%'`)
  const wrong = [...(await effects(site, await site.pass(true)))]
  const rows = await standings(owner)
  let refused = 0
  for (const { one, seat } of accepted) {
    const table = one.table === 'domains' ? 'domains' : 'accounts'
    const own = rows.filter(
      (row) =>
        row.table === table &&
        (one.right === 'UPDATE'
          ? row.name === (table === 'domains' ? `seat-${seat}.example.com` : `seat-${seat}`)
          : !row.name.startsWith('good-')),
    )
    const unjudged = own.filter(
      (row) => !isReady(row) && !isRefused(row) && !row.deleted && !('waits' in row && row.waits === true),
    )
    for (const { name, conditions } of unjudged)
      wrong.push(`${nameOf(one)}: ${name} has no verdict: ${JSON.stringify(conditions)}`)
    if (own.some(isRefused)) refused += 1
    const account = rows.find((row) => row.table === 'accounts' && row.name === `seat-${seat}`)
    // A damaged domain does not affect even its own account.
    if (one.table === 'domains' && (account === undefined || !isReady(account)))
      wrong.push(`${nameOf(one)}: its account: ${JSON.stringify(account?.conditions)}`)
  }
  for (const { one, seat } of accepted) await mend(site, one, seat)
  const mended = await site.pass(false)
  for (const effect of await effects(site, mended)) wrong.push(`after mending: ${effect}`)
  for (const row of await standings(owner)) {
    if (!isReady(row)) wrong.push(`after mending: ${row.table} ${row.name}: ${JSON.stringify(row)}`)
  }
  tally.refusedByAgent += refused
  tally.valid += accepted.length - refused
  return wrong
}

const nameOf = ({ table, column, title }: Case) => `${table}.${column} = ${title}`

void t.test(
  'reconcile() serves ten accounts beside every hostile value that the API’s role can write',
  { skip },
  async (t) => {
    const site = await open(t)
    t.strictSame(await effects(site, await site.pass(true)), [])
    const columns = await writableColumns(site.database.owner)
    const tally: Tally = { cases: 0, refusedByServer: 0, refusedByAgent: 0, valid: 0 }
    for (const column of columns) {
      const cases = hostileValues(column.type).map(([title, sql]): Case => ({ ...column, title, sql }))
      // The host is one row. A new row may have any name, so its verdict is only clear when it is alone. The agent does not read the audit.
      const alone = column.table === 'hosts' || (column.right === 'INSERT' && column.table !== 'audit')
      const together = alone ? 1 : column.table === 'audit' ? cases.length : seats
      for (let at = 0; at < cases.length; at += together) {
        const some = cases.slice(at, at + together)
        const wrong = await runTogether(site, some, tally)
        if (wrong.length > 0) t.fail(`${some.map(nameOf).join(', ')}: ${wrong.slice(0, 5).join('\n')}`)
        if (wrong.length > 0) return
      }
    }
    t.comment(
      `${columns.length} columns, ${tally.cases} cases: PostgreSQL refused ${tally.refusedByServer}, the agent ${tally.refusedByAgent}, ${tally.valid} were valid`,
    )
    t.ok(tally.cases > 500 && tally.refusedByAgent > 200, JSON.stringify(tally))
  },
)

void t.test('reconcile() keeps what the host has for an account whose row is damaged', { skip }, async (t) => {
  const site = await open(t)
  const { owner, api } = site.database
  const files = ['keys', 'env'].map((kind) => `/etc/puppy/${kind}/p${smallLayout.firstUid + good}`)
  const read = () => Promise.all(files.map((path) => site.host.read(path)))
  const before = await read()
  t.ok(before.every((text) => text !== undefined && text !== ''))
  for (const damage of [
    `update plans set spec = 'null' where name = 'seat-0'`,
    `update accounts set ssh_keys = array[null]::text[] where name = 'seat-0'`,
    `update accounts set generation = 9223372036854775807 where name = 'seat-0'`,
    `update domains set generation = -1 where name = 'seat-0.example.com'`,
  ]) {
    await api.query(damage)
    t.strictSame(await effects(site, await site.pass(true)), [], damage)
    const rows = (await standings(owner)).filter(({ name }) => name.startsWith('seat-0'))
    t.ok(rows.some(isRefused), `${damage}: it has a false condition`)
    t.strictSame(await read(), before, `${damage}: the login stays`)
    const routed = rows.find(({ table }) => table === 'domains')?.conditions.some(({ reason }) => reason === 'routed')
    t.ok(routed, `${damage}: the route stays`)
  }
  await api.query(`update accounts set state = 'suspended', generation = 7 where name = 'seat-0'`)
  await api.query(`update plans set spec = '${JSON.stringify(fullPlan)}' where name = 'seat-0'`)
  await site.pass(true)
  t.equal((await read())[0], undefined, 'an account with damaged keys can be suspended')
})

void t.test(
  'readLogins() of a too large keys file fails for no account, and the file is written again',
  { skip },
  async (t) => {
    const site = await open(t)
    const path = `/etc/puppy/keys/p${smallLayout.firstUid + good}`
    await site.host.replace(path, 'x'.repeat(2_000_000))
    t.strictSame(await effects(site, await site.pass(true)), [])
    t.equal(await site.host.read(path), `${sshKey}\n`)
  },
)
