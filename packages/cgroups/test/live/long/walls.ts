import t from 'tap'
import { createHost } from '@puppy/host'
import { ensureSlices, probe, removeSlices, type WantedSlice } from '../../../src/index.ts'
import { createTenants, eventually, textOf, whyNot, type Tenant } from '../../support/tenants.ts'

const host = createHost()
const options = { runFolder: '/run/puppy-cgroups-live' }
const skip =
  (await whyNot(host, 'python3', 'ssh', 'useradd')) ||
  ((await probe(host)).systemd?.bpf === true ? false : 'systemd has no BPF here')
t.setTimeout(600_000)

/** Binds each port and prints what came of it; `u` for UDP. */
const bind = (...ports: readonly string[]) => `python3 -c "
import socket
for word in '${ports.join(' ')}'.split():
  s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM if word[0]=='u' else socket.SOCK_STREAM)
  try: s.bind(('127.0.0.1', int(word.strip('u')))); print(word, 'bound')
  except OSError as e: print(word, e.errno)
"`
const outcomes = (text: string) =>
  Object.fromEntries(text.split('\n').map((line) => line.split(' ') as [string, string]))
const wanted = ({ slice }: Tenant, first: number): WantedSlice => ({
  slice,
  limits: { pids: { max: 100 } },
  bind: { allow: [{ first, last: first + 3 }] },
})

void t.test('a tenant cannot bind a neighbour’s free port, by ssh and by user service', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_921, 10_922])) as [Tenant, Tenant]
  t.teardown(() => removeSlices(host, [a.slice, b.slice], options))
  const free = { '0': 'bound', u0: 'bound', '40123': 'bound', u40123: 'bound' }
  await ensureSlices(host, [wanted(a, 20_001), wanted(b, 20_011)], options)
  const tried = bind('20001', '20011', 'u20001', '3000', '0', 'u0', '40123', 'u40123')
  const walled = { '20001': '1', '20011': 'bound', u20001: '1', '3000': '1', ...free }
  t.strictSame(outcomes(await b.ssh(tried)), walled, 'ssh, from the first login')
  t.strictSame(
    outcomes(
      await b.ssh(
        `cat > try.py <<'EOF'\n${/"([\s\S]*)"/.exec(tried)?.[1] ?? ''}\nEOF\nsystemd-run --user --quiet --wait --pipe python3 try.py`,
      ),
    ),
    walled,
    'user service',
  )

  // What systemd has lost sight of stands until the slice ends.
  await host.run(['/usr/bin/systemctl', 'stop', b.slice], { touches: 'machine' })
  await removeSlices(host, [a.slice, b.slice], options)
  t.strictSame(outcomes(await b.ssh(bind('3000', '20001'))), { '3000': 'bound', '20001': 'bound' }, 'and go')
})

/** Binds what a file asks for, in a session that goes on while nothing else happens. */
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

void t.test('walls of slices in use: what is told is what is so', { skip }, async (t) => {
  const [a, b] = (await createTenants(t, host, [10_923, 10_924])) as [Tenant, Tenant]
  t.teardown(async () => {
    await removeSlices(host, [a.slice, b.slice], options)
  })
  const systemctl = (...args: readonly string[]) =>
    host.run(['/usr/bin/systemctl', ...args], { touches: 'machine', timeout: 120_000 })
  const ensure = async (first: number) => {
    const { results, changes } = await ensureSlices(host, [wanted(a, first), wanted(b, 20_011)], options)
    return {
      told: results.map(({ status, bind, error }) => ({ status, bind, error: error?.code })),
      actions: changes.map(({ action, target }) => `${action} ${target}`),
      error: results[0]?.error,
    }
  }
  const set = { status: 'applied', bind: 'set', error: undefined }
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
  t.comment(`after an operator's daemon-reload binding 3000 gives: A ${await ask(a, 3000)}, B ${await ask(b, 3000)}`)
  const found = await ensure(20_001)
  t.comment(`found and done: ${found.actions.join(', ') || 'nothing'}`)
  t.strictSame(found.told, [set, set])
  t.equal(await ask(a, 20_001, 20_005, 3000), 'bound 1 1', 'the wall stands again')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1')

  // systemd attaches a second one, and has lost sight of the first from now on.
  await systemctl('set-property', '--runtime', a.slice, 'CPUWeight=100')
  t.strictSame((await ensure(20_001)).told, [set, set], 'the same wall twice is that wall')
  const stale = { status: 'refused', bind: 'stale', error: 'CGROUP_REFUSED' }
  const lost = await ensure(20_005)
  t.strictSame(lost.told, [stale, set])
  t.match(lost.error?.message, /daemon-reexec/)
  t.equal(await ask(a, 20_001, 20_005, 3000), '1 1 1', 'only what both allow')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1', 'a neighbour is as before')
  const again = await ensure(20_005)
  t.strictSame(again.actions, [])
  t.strictSame(again.told, [stale, set], 'it goes on to be told')
  t.match(again.error?.message, /daemon-reexec/)

  await systemctl('daemon-reexec')
  t.strictSame((await ensure(20_005)).told, [set, set])
  t.equal(await ask(a, 20_001, 20_005, 3000), '1 bound 1')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1')

  await removeSlices(host, [a.slice], options)
  t.equal(await ask(a, 20_001, 20_005, 3000), 'bound bound bound', 'taken away')
  t.equal(await ask(b, 20_011, 20_001, 3000), 'bound 1 1', 'from one slice, not from the other')
  for (const { slice } of [a, b]) await systemctl('kill', '--signal=KILL', slice)
  await Promise.all(sessions)
})
