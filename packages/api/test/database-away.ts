import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startEmbedded, stopEmbedded } from '@puppy/state/embedded'
import { grant, migrate, openDatabase } from '@puppy/state'
import { addHost, smallPlan, nobody } from '@puppy/state/testing'
import { startApp } from './support/app.ts'
import { isRoot, scratchFolder } from '@puppy/host/testing'
import { startLooking } from './support/agent.ts'
import { operations } from './support/operations.ts'
import { isProblem } from './support/problem.ts'

t.setTimeout(120_000)
const stateDir = scratchFolder(t)
const self = userInfo().username
const cluster = {
  stateDir,
  runDir: join(stateDir, 'run'),
  ...(isRoot ? { server: nobody } : {}),
  peers: { owner: self, api: self, agent: self },
}
const { urls } = await startEmbedded(cluster)
t.teardown(() => stopEmbedded(stateDir))
const open = (url: string) => openDatabase({ url, name: 'test', connections: 5 })
const database = { owner: open(urls.owner), api: open(urls.api), agent: open(urls.agent), urls }
t.teardown(() => Promise.all([database.owner.end(), database.api.end(), database.agent.end()]))
await migrate(database.owner)
await grant(database.owner, { api: 'puppy_api', agent: 'puppy_agent' })
const { request } = await startApp(t, database)
await addHost(database.agent)
await request('PUT', '/v1/plans/small', smallPlan)
await request('PUT', '/v1/accounts/blog', { plan: 'small' })
await stopEmbedded(stateDir)

const away = { status: 503, code: 'database_unavailable' }
for (const { method, url, body } of operations.filter(({ access }) => access !== 'public')) {
  void t.test(`${method} ${url} reports an unavailable database`, async (t) => {
    const answer = await request(method, url, body)
    isProblem(t, answer, away)
    t.equal(answer.headers['retry-after'], '1')
  })
}

void t.test('GET /livez returns 200 while the database is unavailable', async (t) => {
  t.match(await request('GET', '/livez'), { status: 200 })
})

void t.test('GET /readyz reports an unavailable database', async (t) => {
  t.match(await request('GET', '/readyz'), {
    status: 503,
    body: { status: 'unavailable', checks: { database: 'does not answer', agents: 'unknown' } },
  })
})

void t.test('requests and waiting work again when the database is back', async (t) => {
  await startEmbedded(cluster)
  t.match(await request('GET', '/v1/accounts/blog'), { status: 200, body: { generation: 1 } })
  await startLooking(t, database.agent)
  t.match(await request('PATCH', '/v1/accounts/blog', { state: 'suspended' }, { headers: { prefer: 'wait=60' } }), {
    status: 200,
    body: { generation: 2, observedGeneration: 2 },
  })
  t.match(await request('GET', '/readyz'), { status: 200 })
})
