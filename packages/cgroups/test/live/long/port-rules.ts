import t from 'tap'
import { createHost } from '@puppy/host'
import { openSlices, type SliceSpec } from '../../../src/index.ts'
import { createTenants, eventually, textOf, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const slices = openSlices(host, { runFolder: '/run/puppy-cgroups-live' })
const skip =
  (await whyNot(host, 'python3', 'ssh', 'useradd')) ||
  ((await slices.probe()).features.portRules.works ? false : 'systemd has no BPF on this machine')
t.setTimeout(600_000)

/** Renders a program that binds each port and prints the result. `u` means UDP. */
const bind = (...ports: readonly string[]) => `python3 -c "
import socket
for word in '${ports.join(' ')}'.split():
  s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM if word[0]=='u' else socket.SOCK_STREAM)
  try: s.bind(('127.0.0.1', int(word.strip('u')))); print(word, 'bound')
  except OSError as e: print(word, e.errno)
"`
const outcomes = (text: string) =>
  Object.fromEntries(text.split('\n').map((line) => line.split(' ') as [string, string]))
const specOf = ({ slice }: Tenant, first: number): SliceSpec => ({
  slice,
  limits: { pids: { max: 100 } },
  portRules: { allow: [{ first, last: first + 3 }] },
})

void t.test('a tenant cannot bind a free port of its neighbour, by ssh or by user service', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_921, 10_922])) as [Tenant, Tenant]
  t.teardown(() => slices.remove([a.slice, b.slice]))
  const free = { '0': 'bound', u0: 'bound', '40123': 'bound', u40123: 'bound' }
  await slices.ensure([specOf(a, 20_001), specOf(b, 20_011)])
  const tried = bind('20001', '20011', 'u20001', '3000', '0', 'u0', '40123', 'u40123')
  const ruled = { '20001': '1', '20011': 'bound', u20001: '1', '3000': '1', ...free }
  t.strictSame(outcomes(await b.ssh(tried)), ruled, 'ssh, from the first login')
  t.strictSame(
    outcomes(
      await b.ssh(
        `cat > try.py <<'EOF'\n${/"([\s\S]*)"/.exec(tried)?.[1] ?? ''}\nEOF\nsystemd-run --user --quiet --wait --pipe python3 try.py`,
      ),
    ),
    ruled,
    'user service',
  )

  // Rules that systemd no longer tracks stay attached until the slice ends.
  await host.run(['/usr/bin/systemctl', 'stop', b.slice], { touches: 'machine' })
  await slices.remove([a.slice, b.slice])
  t.strictSame(
    outcomes(await b.ssh(bind('3000', '20001'))),
    { '3000': 'bound', '20001': 'bound' },
    'remove() removes the rules',
  )
})

/** A program that binds the ports of a file, in a session that stays open, so that no login is needed. */
const asked = `import os,socket,time
for turn in range(3000):
  try: ports=open('ask').read().split(); os.unlink('ask')
  except OSError: time.sleep(.1); continue
  with open('answer.now','w') as out:
    for port in ports:
      s=socket.socket()
      try: s.bind(('127.0.0.1',int(port))); print(port,'bound',file=out)
      except OSError as e: print(port,e.errno,file=out)
      s.close()
  os.rename('answer.now','answer')
`

void t.test('ensure() reports the real state of the port rules of slices in use', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_923, 10_924])) as [Tenant, Tenant]
  t.teardown(async () => {
    await slices.remove([a.slice, b.slice])
  })
  const systemctl = (...args: readonly string[]) =>
    host.run(['/usr/bin/systemctl', ...args], { touches: 'machine', timeout: 120_000 })
  const ensure = async (first: number) => {
    const { results, changes } = await slices.ensure([specOf(a, first), specOf(b, 20_011)])
    const rules = results.map(({ status, portRules }) => ({ status, portRules }))
    return { results, rules, actions: changes.map(({ action, target }) => `${action} ${target}`) }
  }
  const set = { status: 'applied', portRules: 'set' }
  await ensure(20_001)
  const sessions: Promise<string>[] = []
  for (const { name, uid, ssh } of [a, b]) {
    await host.replace(`/home/${name}/asked.py`, asked, { mode: 0o644, uid, gid: uid })
    sessions.push(ssh('exec python3 asked.py', 500_000))
  }
  const ask = async ({ name, uid }: Tenant, ...ports: readonly number[]) => {
    await host.replace(`/home/${name}/ask`, ports.join(' '), { mode: 0o644, uid, gid: uid })
    const answer = `/home/${name}/answer`
    await eventually(async () => (await host.status(answer)) !== undefined)
    const text = await textOf(host, answer)
    await host.remove(answer)
    return text
      .split('\n')
      .map((line) => line.split(' ')[1])
      .join(' ')
  }
  t.equal(await ask(a, 20_001, 20_005, 3000), 'bound 1 1')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1')

  await systemctl('daemon-reload')
  t.comment(
    `after a daemon-reload by an operator, the result of binding 3000 is: A ${await ask(a, 3000)}, B ${await ask(b, 3000)}`,
  )
  const found = await ensure(20_001)
  t.comment(`changes: ${found.actions.join(', ') || 'nothing'}`)
  t.strictSame(found.rules, [set, set])
  t.equal(await ask(a, 20_001, 20_005, 3000), 'bound 1 1', 'the rules are attached again')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1')

  // systemd attaches the rules a second time, and no longer tracks the first ones.
  await systemctl('set-property', '--runtime', a.slice, 'CPUWeight=100')
  t.strictSame((await ensure(20_001)).rules, [set, set], 'the same rules twice')
  const stale = { status: 'refused', portRules: 'stale' }
  const lost = await ensure(20_005)
  t.strictSame(lost.rules, [stale, set])
  t.match(lost.results[0]?.error?.message, /daemon-reexec/)
  t.equal(await ask(a, 20_001, 20_005, 3000), '1 1 1', 'only ports that both rules allow')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1', 'the neighbour is not affected')
  const again = await ensure(20_005)
  t.strictSame(again.actions, [])
  t.strictSame(again.rules, [stale, set], 'the state is reported again')

  await systemctl('daemon-reexec')
  t.strictSame((await ensure(20_005)).rules, [set, set])
  t.equal(await ask(a, 20_001, 20_005, 3000), '1 bound 1')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1')

  await slices.remove([a.slice])
  t.equal(await ask(a, 20_001, 20_005, 3000), 'bound bound bound', 'the rules are removed')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1', 'the rules of the other slice are not removed')
  for (const { slice } of [a, b]) await systemctl('kill', '--signal=KILL', slice)
  await Promise.all(sessions)
})
