import { recordDrift, findHost } from '@puppy/state/store/hosts'
import { addHost, addReseller, startPostgres } from '@puppy/state/testing'
import t from 'tap'
import { renderMetrics } from '../../src/routes/metrics.ts'
import { startApp } from '../support/app.ts'

t.setTimeout(120_000)
const postgres = await startPostgres(t)

void t.test('GET /metrics requires an admin key', async (t) => {
  const database = await postgres.create(t)
  const { request } = await startApp(t, database)
  t.equal((await request('GET', '/metrics', undefined, { key: null })).status, 401)
  const key = await addReseller(database.owner, 'acme')
  t.equal((await request('GET', '/metrics', undefined, { key })).status, 403)
})

void t.test('GET /metrics returns the drift of each host and its total', async (t) => {
  const database = await postgres.create(t)
  const { app, adminKey } = await startApp(t, database)
  await addHost(database.agent, 'h1')
  await recordDrift(database.agent, 'h1', 3)
  await recordDrift(database.agent, 'h1', 0)
  const answer = await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${adminKey}` } })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const samples = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  t.strictSame(samples.slice(1), [
    'puppy_host_complete_reconciliations_total{host="h1"} 2',
    'puppy_host_drift_changes{host="h1"} 0',
    'puppy_host_drift_changes_total{host="h1"} 3',
  ])
})

void t.test('renderMetrics() escapes characters that would end a label', async (t) => {
  const database = await postgres.create(t)
  await addHost(database.agent, 'h1')
  const host = await findHost(database.owner, 'h1')
  const lines = renderMetrics([{ ...host!, name: 'a"b\\c\nd', alive: true }]).split('\n')
  t.equal(lines[2], String.raw`puppy_host_up{host="a\"b\\c\nd"} 1`)
})
