import { createServer } from 'node:http'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mapLimit } from '@puppy/host'
import { killHard } from '@puppy/host/testing'
import t from 'tap'
import { smallPlan, sshKey } from '@puppy/state/testing'
import { cannotRun, createPuppy, eventually, type ApiAnswer, type Puppy } from '../support/puppy.ts'

const count = 200
const kills = 10
const firstPort = 13_000
const names = Array.from({ length: count }, (_, index) => `tenant-${index}`)

t.setTimeout(900_000)

/** Repeats a PUT until the answer is ready, as a billing panel would. */
async function insist(puppy: Puppy, path: string, body: unknown): Promise<ApiAnswer> {
  return eventually(
    `PUT ${path} is ready`,
    async () => {
      const answer = await puppy.api('PUT', path, body)
      return answer.body['ready'] === true ? answer : undefined
    },
    180,
  )
}

/** Starts a server on every port. It answers with its port, which shows the tenant that was reached. */
async function serveEverybody(ports: readonly number[]): Promise<() => void> {
  const servers = ports.map((port) =>
    createServer((_request, response) => response.end(`port ${port}`)).listen(port, '127.0.0.1'),
  )
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return () => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  }
}

function modificationTimes(puppy: Puppy): Readonly<Record<string, string>> {
  const folders = ['etc', 'etc/puppy/keys', 'etc/puppy/env', 'home', 'var/lib/puppy/haproxy']
  const files = folders.flatMap((folder) => readdirSync(join(puppy.root, folder)).map((name) => join(folder, name)))
  return Object.fromEntries(
    files.map((file) => [file, String(statSync(join(puppy.root, file), { bigint: true }).mtimeNs)]),
  )
}

void t.test(
  '200 accounts and domains at once become ready and are routed without a reload; repeating them changes nothing',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    const haproxy = puppy.pidOf('haproxy')
    const workers = () => readFileSync(`/proc/${haproxy}/task/${haproxy}/children`, 'utf8')
    const worker = workers()
    const accounts = await Promise.all(
      names.map((name) => insist(puppy, `/v1/accounts/${name}`, { plan: 'small', sshKeys: [sshKey] })),
    )
    const ports = accounts.map(({ body }) => (body['ports'] as number[])[0] ?? 0)
    const putDomains = () =>
      Promise.all(
        names.map((name, index) =>
          insist(puppy, `/v1/domains/${name}.example.com`, { account: name, port: ports[index] }),
        ),
      )
    await putDomains()
    t.equal(new Set(ports).size, count, 'no port is assigned twice')
    t.teardown(await serveEverybody(ports))
    // All visits come from one address, which HAProxy serves 150 requests at a time.
    const answers = await mapLimit(names, 50, (name) => puppy.visit(`${name}.example.com`))
    t.strictSame(
      answers.map(({ body }) => body),
      ports.map((port) => `port ${port}`),
      'each domain reaches its own tenant',
    )
    t.equal(puppy.pidOf('haproxy'), haproxy, 'the same HAProxy')
    t.equal(workers(), worker, 'the same worker: no reload')

    await sleep(1500)
    const before = modificationTimes(puppy)
    await Promise.all(names.map((name) => insist(puppy, `/v1/accounts/${name}`, { plan: 'small', sshKeys: [sshKey] })))
    await putDomains()
    await sleep(500)
    t.strictSame(modificationTimes(puppy), before, 'the repetition changed no file')
    const { body: pool } = await puppy.api('GET', '/v1/hosts/h1/pool')
    t.match(pool, { slots: { taken: count } })
    t.strictSame((await puppy.api('GET', '/v1/hosts/h1/changes')).body['data'], [], 'nothing is left to change')
  },
)

void t.test(
  'after kill -9 of agent, API and HAProxy at random moments everything converges, and nothing is assigned twice',
  { skip: cannotRun },
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: firstPort + 8 * 1000 })
    await puppy.up()
    t.match(await puppy.api('PUT', '/v1/plans/small', smallPlan), { status: 201 })
    let working = true
    const work = Promise.all(
      names.map(async (name) => {
        const account = await insist(puppy, `/v1/accounts/${name}`, { plan: 'small', sshKeys: [sshKey] })
        const port = (account.body['ports'] as number[])[0] ?? 0
        await insist(puppy, `/v1/domains/${name}.example.com`, { account: name, port })
        return { name, uid: account.body['uid'] as number, port }
      }),
    ).finally(() => (working = false))
    const victims = [['agent'], ['api'], ['agent', 'api'], ['haproxy']] as const
    let killed = 0
    for (; killed < kills || working; killed += 1) {
      await sleep(100 + Math.random() * 900)
      if (killed >= kills) continue
      for (const name of victims[killed % victims.length] ?? []) await killHard(puppy.pidOf(name)).catch(() => {})
    }
    const tenants = await work
    t.equal(new Set(tenants.map(({ uid }) => uid)).size, count, 'no slot twice')
    t.equal(new Set(tenants.map(({ port }) => port)).size, count, 'no port twice')
    t.teardown(await serveEverybody(tenants.map(({ port }) => port)))
    await eventually('HAProxy', async () => ((await puppy.visit('none.example.com')).status === 404 ? true : undefined))
    const answers = await mapLimit(tenants, 50, ({ name }) => puppy.visit(`${name}.example.com`))
    t.strictSame(
      answers.map(({ body }) => body),
      tenants.map(({ port }) => `port ${port}`),
      'every domain reaches its own tenant',
    )
    const passwd = readFileSync(join(puppy.root, 'etc/passwd'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('p1'))
    t.equal(new Set(passwd.map((line) => line.split(':')[2])).size, passwd.length, 'no uid twice in passwd')
    await eventually('nothing is left to change', async () => {
      const { body } = await puppy.api('GET', '/v1/hosts/h1/changes')
      return Array.isArray(body['data']) && body['data'].length === 0 ? true : undefined
    })
    t.pass('the host has converged')
  },
)
