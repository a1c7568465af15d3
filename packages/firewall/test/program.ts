import { createFakeHost, type FakeProgram } from '@puppy/host/fake'
import t from 'tap'
import { isAtLeast, openProgram, parseVersion } from '../src/program.ts'

const hostWith = (nft: FakeProgram) =>
  createFakeHost({ programs: { '/usr/sbin/nft': nft, '/usr/sbin/ip': () => ({}) } })

void t.test('parseVersion() reads a version and isAtLeast() compares it', async (t) => {
  t.equal(parseVersion('nftables v1.0.6 (Lester Gooch #5)\n'), '1.0.6')
  t.equal(parseVersion('nftables v1.1.3 (Commodore Bullmoose #4)\n'), '1.1.3')
  t.equal(parseVersion('iptables v1.8.9'), undefined)
  for (const version of ['1.0.1', '1.0.9', '1.1', '2.0.0', '1.0.10']) t.ok(isAtLeast(version, '1.0.1'), version)
  for (const version of ['1.0.0', '0.9.8', '1.0']) t.notOk(isAtLeast(version, '1.0.1'), version)
})

void t.test('openProgram() enters a network namespace with ip(8)', async (t) => {
  t.strictSame(openProgram(hostWith(() => ({}))).command(), ['/usr/sbin/nft'])
  const inside = openProgram(
    hostWith(() => ({})),
    { netns: 'blue', nft: '/opt/nft' },
  )
  t.strictSame(inside.command(), ['/usr/sbin/ip', 'netns', 'exec', 'blue', '/opt/nft'])
  for (const netns of ['', '-x', 'a b', '../x']) {
    t.throws(
      () =>
        openProgram(
          hostWith(() => ({})),
          { netns },
        ).command(),
      { code: 'FIREWALL_INVALID' },
    )
  }
  t.throws(() => openProgram(createFakeHost()).command(), { code: 'FIREWALL_NOT_INSTALLED' })
})

void t.test('list() returns undefined for a missing table and throws for a failure', async (t) => {
  const answer = (stderr: string) => openProgram(hostWith(() => ({ exitCode: 1, stderr }))).list('puppy')
  t.equal(await answer('Error: No such file or directory\n'), undefined)
  await t.rejects(answer('Error: Operation not permitted'), { code: 'FIREWALL_REFUSED', message: /not permitted/ })
  await t.rejects(openProgram(hostWith(() => ({ exitCode: 139 }))).list('puppy'), { code: 'FIREWALL_REFUSED' })
  await t.rejects(openProgram(hostWith(() => ({}))).list('a b'), { code: 'FIREWALL_INVALID' })
})

void t.test('apply() passes the transaction in a file that only root can read, and removes it', async (t) => {
  let seen: unknown
  const host = hostWith(async ({ args, host: machine }) => {
    const file = args[2] ?? ''
    seen = { args: args.slice(0, 2), text: await machine.read(file), mode: (await machine.status(file))?.mode }
    return {}
  })
  await openProgram(host).apply('load', [{ flush: { table: { family: 'inet', name: 'x' } } }])
  const text = '{"nftables":[{"flush":{"table":{"family":"inet","name":"x"}}}]}'
  t.strictSame(seen, { args: ['-j', '-f'], text, mode: 0o600 })
  t.strictSame(await host.list('/run/puppy-firewall'), [])
  t.equal((await host.status('/run/puppy-firewall'))?.mode, 0o700)
  await openProgram(host).apply('load', [])
  t.equal(host.commands.length, 1, 'an empty transaction runs nothing')
})

void t.test('apply() reports the first command that is refused', async (t) => {
  const host = hostWith(async ({ args, host: machine }) => {
    const bad = ((await machine.read(args.at(-1) ?? '')) ?? '').includes('"name":"five"')
    return bad ? { exitCode: 1, stderr: 'internal:0:0-0: Error: no\n' } : {}
  })
  const commands = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map((name) => ({ add: { table: { name } } }))
  await t.rejects(openProgram(host).apply('load', commands), {
    code: 'FIREWALL_REFUSED',
    facts: { value: '{"add":{"table":{"name":"five"}}}', said: 'internal:0:0-0: Error: no' },
  })
  const checked = host.commands.slice(1)
  t.ok(
    checked.length > 0 && checked.every((command) => command.includes('-c')),
    'the search only checks and changes nothing',
  )
})

void t.test('apply() refuses a host that is not live', async (t) => {
  const host = createFakeHost({ live: false, programs: { '/usr/sbin/nft': () => ({}) } })
  await t.rejects(openProgram(host).apply('load', [{ add: {} }]), { code: 'HOST_NOT_LIVE' })
})
