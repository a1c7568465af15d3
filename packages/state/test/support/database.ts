import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { isRoot, scratchFolder, type Cleanup } from '@puppy/host/testing'
import type { Test } from 'tap'
import { startEmbedded, stopEmbedded, type SystemUser } from '../../src/database/embedded.ts'
import { grant, migrate } from '../../src/database/migrate.ts'
import { openDatabase, type Database } from '../../src/database/pool.ts'

/** PostgreSQL refuses to run as root. If the test is root, the server runs as this user. */
export const nobody: SystemUser = { name: 'nobody', uid: 65_534, gid: 65_534 }

export interface TestDatabase {
  /** With the rights of the owner, who can do everything. */
  readonly owner: Database
  /** With the rights of the API. */
  readonly api: Database
  /** With the rights of the agent. */
  readonly agent: Database
  readonly urls: { readonly owner: string; readonly api: string; readonly agent: string }
}

export interface TestPostgres {
  /** Creates a migrated database for one test, cloned from a template. */
  create(t: Test): Promise<TestDatabase>
}

/** A server with a migrated database in it, `puppy`, that serves as a template: no connection to it stays open. */
interface TestServer {
  readonly urls: TestDatabase['urls']
}

/** Holds the URLs of a server that a runner shares between test files, as JSON. Set by `startTestServer`'s caller. */
export const sharedServer = 'PUPPY_TEST_POSTGRES'

/** Holds the path of a cluster that a runner made for tests to copy. Set by `makeTestCluster`'s caller. */
export const testCluster = 'PUPPY_TEST_CLUSTER'

/** Creates a cluster with an empty database, as the first start on a host does. Returns its folder. No server uses it. */
export async function makeTestCluster(t: Cleanup): Promise<string> {
  const stateDir = scratchFolder(t)
  const self = userInfo().username
  await startEmbedded({
    stateDir,
    runDir: join(stateDir, 'run'),
    ...(isRoot ? { server: nobody } : {}),
    peers: { owner: self, api: self, agent: self },
  })
  await stopEmbedded(stateDir)
  return join(stateDir, 'postgres')
}

/**
 * Starts a real PostgreSQL for tests only. It never waits for a disk, because its data is deleted at the end. The caller may connect as any
 * of its roles.
 */
export async function startTestServer(t: Cleanup): Promise<TestServer> {
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
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'])
    await template.query(`alter system set ${setting} = off`)
  await template.query('select pg_reload_conf()')
  await migrate(template)
  await grant(template, { api: 'puppy_api', agent: 'puppy_agent' })
  await template.end()
  return { urls }
}

/** Uses the PostgreSQL of the runner, or starts one for this test file. Each test has its own database in it. */
export async function startPostgres(t: Cleanup): Promise<TestPostgres> {
  const shared = process.env[sharedServer]
  const { urls } = shared === undefined ? await startTestServer(t) : { urls: JSON.parse(shared) as TestServer['urls'] }
  return { create: (test) => clone(test, urls, `test_${randomUUID().replaceAll('-', '')}`) }
}

async function clone(t: Test, template: TestDatabase['urls'], name: string): Promise<TestDatabase> {
  const at = (url: string, database: string) => url.replace('@/puppy?', `@/${database}?`)
  const maintain = async (sql: string) => {
    const maintenance = openDatabase({ url: at(template.owner, 'postgres'), name: 'clone', connections: 1 })
    await maintenance.query(sql)
    await maintenance.end()
  }
  await maintain(`create database ${name} template puppy`)
  const urls = { owner: at(template.owner, name), api: at(template.api, name), agent: at(template.agent, name) }
  const open = (role: keyof typeof urls) => openDatabase({ url: urls[role], name: `test ${role}`, connections: 5 })
  const databases = { owner: open('owner'), api: open('api'), agent: open('agent') }
  t.teardown(async () => {
    await Promise.all(Object.values(databases).map((database) => database.end()))
    await maintain(`drop database ${name} with (force)`)
  })
  return { ...databases, urls }
}
