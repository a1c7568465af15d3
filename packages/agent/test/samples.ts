import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { parseListeners } from '@puppy/host/proc'
import { createHost } from '@puppy/host'
import t, { type Test } from 'tap'
import { listenerState, sampleListeners, sampleUsage } from '../src/samples.ts'
import { findDomain } from '@puppy/state/store/domains'
import { findUsage } from '@puppy/state/store/usage'
import { openTestProxy, serveTenant, skip } from './support/proxy.ts'
import { startPostgres } from '@puppy/state/testing'
import { addAccount, addDomain, addHostWith } from './support/agents.ts'

const postgres = await startPostgres(t)

/** Parses lines of /proc/net/tcp or tcp6 for port 10240, as a little-endian machine writes them. */
function listenersOf(...addresses: readonly string[]) {
  return addresses.flatMap((address, index) => {
    const line = `   ${index}: ${address}:2800 ${address.replaceAll(/./g, '0')}:0000 0A 00000000:00000000 00:00000000 00000000 10000        0 4711 1\n`
    return parseListeners(line, address.length === 8 ? 'ipv4' : 'ipv6')
  })
}

void t.test('listenerState() returns what the proxy would find', async (t) => {
  for (const [title, addresses, expected] of [
    ['no listener', [], 'nobody'],
    ['127.0.0.1', ['0100007F'], 'listening'],
    ['every IPv4 address', ['00000000'], 'listening'],
    ['every address', ['00000000000000000000000000000000'], 'listening'],
    ['127.0.0.1 by an IPv6 socket', ['0000000000000000FFFF00000100007F'], 'listening'],
    ['every IPv4 address by an IPv6 socket', ['0000000000000000FFFF000000000000'], 'listening'],
    ['another loopback address', ['0200007F'], 'wrong_address'],
    ['the loopback of IPv6 only', ['00000000000000000000000001000000'], 'wrong_address'],
    ['an address of the network', ['0100000A'], 'wrong_address'],
    ['a wrong and a right one', ['0100000A', '0100007F'], 'listening'],
  ] as const) {
    const listeners = listenersOf(...addresses)
    t.equal(listeners.length, addresses.length, `${title}: read`)
    t.equal(listenerState(listeners), expected, title)
  }
})

async function listen(t: Test, host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

void t.test('sampleListeners() records which ports of domains have a listener', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  const account = await addAccount(database.owner, 'blog', 0)
  const right = createServer().listen(0, '127.0.0.1')
  await once(right, 'listening')
  const { port } = right.address() as AddressInfo
  await addDomain(database.owner, 'right.example.com', account, port)
  await addDomain(database.owner, 'wrong.example.com', account, await listen(t, '127.0.0.2'))
  await addDomain(database.owner, 'nobody.example.com', account, 1)
  const gone = await addDomain(database.owner, 'gone.example.com', account, port)
  await database.owner.query('update domains set deleted_at = now() where id = $1', [gone])
  const sample = async () => {
    await sampleListeners(database.agent, 'h1', createHost())
    const rows = await database.owner.query<{ name: string; listener: string | null }>(
      'select name, listener from domains order by id',
    )
    return rows.map(({ name, listener }) => [name.replace('.example.com', ''), listener])
  }
  const others = [
    ['wrong', 'wrong_address'],
    ['nobody', 'nobody'],
    ['gone', null],
  ]
  t.same(await sample(), [['right', 'listening'], ...others])
  t.same(await sample(), [['right', 'listening'], ...others], 'a second sample is the same')
  right.close()
  await once(right, 'close')
  t.same(await sample(), [['right', 'nobody'], ...others], 'a listener that ended is recorded')
})

void t.test('sampleListeners() does not touch domains of other hosts', async (t) => {
  const database = await postgres.create(t)
  await addHostWith(database, ['taken'])
  await addDomain(database.owner, 'blog.example.com', await addAccount(database.owner, 'blog', 0), 10_240)
  await sampleListeners(database.agent, 'h2', createHost())
  t.equal((await findDomain(database.owner, 'blog.example.com'))?.listener, null)
})

void t.test('sampleUsage() adds what the proxy counted to the account on the slot', { skip }, async (t) => {
  const database = await postgres.create(t)
  const { haproxy, spec, get } = await openTestProxy(t)
  const signal = AbortSignal.timeout(60_000)
  const { port, slot } = await serveTenant(t)
  await addHostWith(database)
  await database.agent.query(`insert into slots (host, n, state) select 'h1', n, 'taken' from unnest($1::int[]) n`, [
    [slot, slot + 1],
  ])
  const blog = await addAccount(database.owner, 'blog', slot)
  const idle = await addAccount(database.owner, 'idle', slot + 1)
  await sampleUsage(database.agent, 'h1', haproxy, signal)
  t.equal(await findUsage(database.owner, blog), undefined, 'a proxy that does not run has counted nothing')
  await haproxy.config.ensure(spec, { signal })
  const routes = [{ domain: 'blog.example.com', port }]
  await haproxy.routes.ensure({ ...spec, routes, suspended: [] }, { signal })
  t.equal((await get('blog.example.com')).status, 200)
  await sampleUsage(database.agent, 'h1', haproxy, signal)
  t.match(await findUsage(database.owner, blog), { requests: 1 })
  await get('blog.example.com')
  await get('blog.example.com')
  await sampleUsage(database.agent, 'h1', haproxy, signal)
  await sampleUsage(database.agent, 'h1', haproxy, signal)
  t.match(await findUsage(database.owner, blog), { requests: 3 }, 'each request counts once')
  t.equal(await findUsage(database.owner, idle), undefined, 'the neighbour had no visitors')
  await database.owner.query('update accounts set deleted_at = now() where id = $1', [blog])
  await get('blog.example.com')
  await sampleUsage(database.agent, 'h1', haproxy, signal)
  t.match(
    await findUsage(database.owner, blog),
    { requests: 3 },
    'requests to a slot without an account count for no account',
  )
})
