import { userInfo } from 'node:os'
import { join } from 'node:path'
import { isRoot, scratchFolder } from '@puppy/host/testing'
import type { Test } from 'tap'
import { startEmbedded, stopEmbedded, type SystemUser } from '../../src/database/embedded.ts'
import { grant, migrate } from '../../src/database/migrate.ts'
import { openDatabase, type Database } from '../../src/database/pool.ts'

/** As root PostgreSQL refuses to run, so `nobody` does it; otherwise we do. */
export const nobody: SystemUser = { name: 'nobody', uid: 65_534, gid: 65_534 }
export interface TestDatabase {
  /** As the owner: sees and does everything. */
  readonly owner: Database
  /** With the API's and the agent's rights. */
  readonly api: Database
  readonly agent: Database
  readonly urls: { readonly owner: string; readonly api: string; readonly agent: string }
}

export interface TestPostgres {
  /** A migrated database of the test's own, cloned from a template. */
  create(t: Test): Promise<TestDatabase>
}

/** Starts a real PostgreSQL for one test file. We may be any of its roles. */
export async function startPostgres(t: Test): Promise<TestPostgres> {
  const stateDir = scratchFolder(t)
  const self = userInfo().username
  const server = isRoot ? { server: nobody } : {}
  const { urls } = await startEmbedded({
    stateDir,
    runDir: join(stateDir, 'run'),
    ...server,
    peers: { owner: self, api: self, agent: self },
  })
  t.teardown(() => stopEmbedded(stateDir))
  const template = openDatabase({ url: urls.owner, name: 'template', connections: 1 })
  await migrate(template)
  await grant(template, { api: 'puppy_api', agent: 'puppy_agent' })
  await template.end()
  let count = 0
  return { create: (test) => clone(test, urls, `test_${(count += 1)}`) }
}

async function clone(t: Test, template: TestDatabase['urls'], name: string): Promise<TestDatabase> {
  const at = (url: string, database: string) => url.replace('@/puppy?', `@/${database}?`)
  const maintenance = openDatabase({ url: at(template.owner, 'postgres'), name: 'clone', connections: 1 })
  await maintenance.query(`create database ${name} template puppy`)
  await maintenance.end()
  const urls = { owner: at(template.owner, name), api: at(template.api, name), agent: at(template.agent, name) }
  const open = (role: keyof typeof urls) => openDatabase({ url: urls[role], name: `test ${role}`, connections: 5 })
  const databases = { owner: open('owner'), api: open('api'), agent: open('agent') }
  t.teardown(() => Promise.all(Object.values(databases).map((database) => database.end())))
  return { ...databases, urls }
}
