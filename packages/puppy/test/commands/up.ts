import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { embeddedUrls, openDatabase, type Database } from '@puppy/state'
import { smallPlan, sshKey } from '@puppy/state/testing'
import { killHard, scratchFolder } from '@puppy/host/testing'
import { cannotRun, createPuppy, eventually, runCommand, serveName } from '../support/puppy.ts'

t.setTimeout(600_000)
const skip = { skip: cannotRun }

void t.test('up() serves a tenant through the proxy after three requests', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_008, fresh: true })
  const { output } = await puppy.up()
  t.match(output(), /Puppy is ready on http:\/\/127\.0\.0\.1:\d+/)
  t.equal(statSync(join(puppy.stateDir, 'admin-key')).mode & 0o777, 0o600)
  const master = puppy.pidOf('haproxy')
  const worker = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ')[0]
  for (const pid of [worker, puppy.pidOf('api'), puppy.pidOf('postgres')]) {
    t.notMatch(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\t0\t/m, `process ${pid} is not root`)
  }
  t.match(await puppy.api('PUT', '/v1/plans/small', smallPlan), { status: 201 })
  const account = await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small', sshKeys: [sshKey] })
  t.match(account, { status: 201, body: { ready: true, user: 'p10000', uid: 10_000 } })
  t.strictSame(account.body['ports'], [11_008, 11_009, 11_010])
  t.match(await puppy.api('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: 11_008 }), {
    status: 201,
    body: { ready: true },
  })

  t.match(readFileSync(join(puppy.root, 'etc/passwd'), 'utf8'), /^p10000:x:10000:10000:/m)
  t.match(statSync(join(puppy.root, 'home/p10000')), { uid: 10_000, gid: 10_000 })
  t.equal(readFileSync(join(puppy.root, 'etc/puppy/keys/p10000'), 'utf8').trim(), sshKey)
  t.match(readFileSync(join(puppy.root, 'etc/puppy/env/p10000'), 'utf8'), /^PORT=11008$/m)

  t.match(await puppy.visit('blog.example.com'), { status: 503 }, 'no server listens yet')
  await serveName(t, 11_008, 'the blog')
  t.match(await puppy.visit('blog.example.com'), { status: 200, body: 'the blog' })
  t.match(await puppy.visit('BLOG.example.com.:80'), { status: 200, body: 'the blog' })
  t.match(await puppy.visit('unknown.example.com'), { status: 404 })
  t.notMatch(await puppy.visit('blog.example.com,x.example.com'), { body: 'the blog' })

  await eventually('the listener is recorded', async () => {
    const { body } = await puppy.api('GET', '/v1/accounts/blog')
    return JSON.stringify(body['domains']).includes('"listening"') ? true : undefined
  })
  const usage = await eventually('three requests are counted', async () => {
    const { body } = await puppy.api('GET', '/v1/accounts/blog/usage')
    return Number(body['requests']) >= 3 ? body : undefined
  })
  t.ok(Number(usage['bytesOut']) > 0)
})

void t.test(
  'up() adopts the database and HAProxy at a second start, and loses nothing after kill -9 of everything',
  skip,
  async (t) => {
    const puppy = await createPuppy(t, { firstPort: 11_200 })
    await puppy.up()
    await puppy.api('PUT', '/v1/plans/small', smallPlan)
    await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small' })
    await puppy.api('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: 11_200 })
    await serveName(t, 11_200, 'still here')
    const before = { postgres: puppy.pidOf('postgres'), haproxy: puppy.pidOf('haproxy') }
    for (const name of ['up', 'agent', 'api'] as const) await killHard(puppy.pidOf(name))
    t.match(await puppy.visit('blog.example.com'), { body: 'still here' }, 'visitors notice nothing')
    const second = await puppy.up()
    t.equal(puppy.pidOf('postgres'), before.postgres, 'the database was adopted')
    t.equal(puppy.pidOf('haproxy'), before.haproxy, 'HAProxy was adopted')
    await second.end()
    t.match(await puppy.visit('blog.example.com'), { body: 'still here' }, 'HAProxy also continues after SIGTERM')
    await puppy.up()
    for (const name of ['up', 'agent', 'api', 'postgres', 'haproxy'] as const) await killHard(puppy.pidOf(name))
    await puppy.up()
    t.match(await puppy.api('GET', '/v1/accounts/blog'), { status: 200, body: { ready: true, user: 'p10000' } })
    await eventually('HAProxy serves again', async () =>
      (await puppy.visit('blog.example.com')).body === 'still here' ? true : undefined,
    )
  },
)

void t.test('up() starts processes again that end', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_400 })
  await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  for (const name of ['haproxy', 'agent', 'api', 'postgres'] as const) {
    const old = puppy.pidOf(name)
    await killHard(old)
    await eventually(`another ${name}`, async () => (puppy.pidOf(name) === old ? undefined : true))
    await eventually(`readiness after the death of ${name}`, async () =>
      (await puppy.api('GET', '/readyz')).status === 200 ? true : undefined,
    )
  }
  t.match(await puppy.visit('nobody.example.com'), { status: 404 })
  t.match(await puppy.api('PUT', '/v1/accounts/late', { plan: 'small' }), { status: 201, body: { ready: true } })
})

void t.test('up() continues while its agent cannot start, and starts it again', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_520 })
  const { process: up, output } = await puppy.up()
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  const owner = openDatabase({ url: embeddedUrls(puppy).owner, name: 'test', connections: 2 })
  t.teardown(() => owner.end())
  const agent = openDatabase({ url: embeddedUrls(puppy).agent, name: 'test', connections: 1 })
  t.teardown(() => agent.end())
  const own = '(select backend_start from pg_stat_activity where pid = pg_backend_pid())'
  const rows: [title: string, line: RegExp, prevent: string, allow: string, by?: Database][] = [
    [
      'another agent has the lease',
      /The agent process ended and is started again; see .*: Cannot manage host h1: another agent manages it/,
      `update leases set pid = pg_backend_pid(), started_at = ${own}`,
      'update leases set pid = null',
      agent,
    ],
    [
      'the database has no connection for it',
      /The agent process ended and is started again; see .*: The database does not answer/,
      'alter role puppy_agent connection limit 0',
      'alter role puppy_agent connection limit -1',
    ],
    [
      'the name of the host belongs to another machine',
      /The agent process ended and is started again; see .*: Cannot manage host h1: the name belongs to another machine/,
      `update hosts set machine_id = 'moved ' || machine_id`,
      `update hosts set machine_id = replace(machine_id, 'moved ', '')`,
    ],
  ]
  for (const [index, [title, line, prevent, allow, by = owner]] of rows.entries()) {
    await by.query(prevent)
    await killHard(puppy.pidOf('agent'))
    await eventually(title, async () => (line.test(output()) ? true : undefined))
    t.equal(up.exitCode, null, `${title}: up continues`)
    t.match(await puppy.api('GET', '/v1/accounts'), { status: 200 }, `${title}: the API answers`)
    t.match(await puppy.visit('nobody.example.com'), { status: 404 }, `${title}: the proxy answers`)
    await by.query(allow)
    await eventually(`${title}: an account is ready afterwards`, async () => {
      const { body } = await puppy.api('PUT', `/v1/accounts/blog-${index}`, { plan: 'small' })
      return body['ready'] === true ? true : undefined
    })
  }
})

void t.test('up() refuses in one line', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_600 })
  await puppy.up()
  const refusals: [title: string, env: Record<string, string>, line: RegExp][] = [
    ['a second start with the same state folder', {}, /^Puppy already runs with the state folder /],
    [
      'a folder that other users can write to',
      { PUPPY_STATE_DIR: '/tmp' },
      /^Cannot use the folder \/tmp: another user owns it or can write to it/,
    ],
    ['an unknown setting', { PUPPY_POOOL: '1' }, /^PUPPY_POOOL is not a setting of Puppy/],
    ['an invalid port', { PUPPY_LISTEN: '127.0.0.1:99999' }, /^PUPPY_LISTEN="127\.0\.0\.1:99999" is invalid/],
    [
      'one of three database URLs',
      { DATABASE_URL: 'postgres://x@127.0.0.1/y' },
      /^An external PostgreSQL needs all of /,
    ],
  ]
  for (const [title, env, line] of refusals) {
    const { code, output } = await runCommand({ ...puppy.env, ...env }, ['up'])
    t.equal(code, 78, title)
    t.match(output, line, title)
    t.equal(output.trim().split('\n').length, 1, `${title}: one line`)
  }
})

void t.test(
  'up() refuses a busy port and a state folder that cannot be used, in one line, and leaves nothing',
  skip,
  async (t) => {
    const busy = createServer().listen(0, '127.0.0.1')
    await once(busy, 'listening')
    t.teardown(() => busy.close())
    const address = busy.address()
    const port = typeof address === 'object' ? address?.port : 0
    const taken = await createPuppy(t, { firstPort: 11_800, env: { PUPPY_LISTEN: `127.0.0.1:${port}` } })
    const refused = await taken.command('up')
    t.match(refused.output, /Cannot listen on 127\.0\.0\.1:\d+: another program listens there/)
    t.equal(refused.code, 78)

    const folder = scratchFolder(t)
    mkdirSync(`${folder}/closed/state`, { recursive: true })
    chmodSync(`${folder}/closed`, 0o700)
    const closed = await runCommand({ ...taken.env, PUPPY_STATE_DIR: `${folder}/closed/state` }, ['up'])
    t.match(closed.output, /cannot enter .*\/closed; run "chmod o\+x .*\/closed"/)
    writeFileSync(`${folder}/file`, '')
    const file = await runCommand({ ...taken.env, PUPPY_STATE_DIR: `${folder}/file/state` }, ['up'])
    t.match(file.output, /^Cannot use the state folder /)
    t.notOk(existsSync(`${folder}/closed/state/postgres`), 'nothing was created')
  },
)

void t.test('up() prints one line for each problem of the host, and recovers when it is solved', skip, async (t) => {
  const busy = createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.teardown(() => busy.close())
  const address = busy.address()
  const port = typeof address === 'object' ? address?.port : 0
  const puppy = await createPuppy(t, { firstPort: 11_960, env: { PUPPY_PROXY_LISTEN: `127.0.0.1:${port}` } })
  const { output } = await puppy.up()
  await eventually('the line about the proxy', async () =>
    /^haproxy: .*127\.0\.0\.1:\d+/m.test(output()) ? true : undefined,
  )
  await puppy.api('PUT', '/v1/plans/small', smallPlan)
  t.match(await puppy.api('PUT', '/v1/accounts/blog', { plan: 'small' }), { status: 201, body: { ready: true } })
  const domain = await puppy.api('PUT', '/v1/domains/blog.example.com', { account: 'blog', port: 11_960 })
  t.match(domain, { status: 201, body: { ready: false } })
  t.matchOnlyStrict(domain.body['conditions'], [
    { type: 'haproxy', status: 'false', reason: 'not_running', message: String, at: /Z$/ },
  ])
  busy.close()
  await eventually(
    'the domain is ready when the port is free',
    async () => ((await puppy.api('GET', '/v1/domains/blog.example.com')).body['ready'] === true ? true : undefined),
    90,
  )
})

void t.test('up() refuses an admin key file without a key in one line', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_980 })
  mkdirSync(puppy.stateDir, { recursive: true })
  writeFileSync(join(puppy.stateDir, 'admin-key'), 'half a k')
  t.match(await puppy.command('up'), {
    code: 78,
    output: /admin-key contains no valid key; delete it, and the next start creates a new key\n$/,
  })
})

void t.test('up() reports a database that does not answer in one line', skip, async (t) => {
  const puppy = await createPuppy(t, { firstPort: 11_900 })
  const url = 'postgres://puppy@127.0.0.1:1/puppy'
  const { code, output } = await runCommand(
    { ...puppy.env, DATABASE_URL: url, API_DATABASE_URL: url, AGENT_DATABASE_URL: url },
    ['up'],
  )
  t.match(output, /^The database does not answer/)
  t.equal(output.trim().split('\n').length, 1)
  t.not(code, 0)
})
