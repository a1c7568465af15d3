import t from 'tap'
import { createHost } from '@puppy/host'
import { ensureSlices, probe, removeSlices, type WantedSlice } from '../../src/index.ts'
import { createTenants, whyNot, type Tenant, longRun } from '../support/tenants.ts'

const host = createHost()
const options = { runFolder: '/run/puppy-cgroups-live' }
const skip =
  (await whyNot(host, 'python3', 'ssh', 'useradd')) ||
  ((await probe(host)).systemd?.bpf === true ? false : 'systemd has no BPF here') ||
  longRun
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

  const session = a.ssh(
    `timeout 80 sh -c 'while ! test -e moved; do sleep 1; done'; ${bind('20001', '20005')}`,
    120_000,
  )
  const before = outcomes(await a.ssh(bind('20001', '20005')))
  t.strictSame(before, { '20001': 'bound', '20005': '1' })
  t.match((await ensureSlices(host, [wanted(a, 20_005), wanted(b, 20_011)], options)).results, [
    { status: 'applied', bind: 'set' },
    {},
  ])
  await host.replace(`/home/${a.name}/moved`, '', { mode: 0o644, uid: a.uid, gid: a.uid })
  t.comment(`in the session that was there: ${JSON.stringify(outcomes(await session))}`)
  const after = outcomes(await a.ssh(bind('20001', '20005')))
  t.equal(after['20001'], '1', 'what is allowed no more is denied at once')
  // systemd 257 keeps the old wall of a user's slice beside the new one until the slice ends: it fails closed.
  t.comment(`what is allowed newly: ${after['20005']}`)
  await removeSlices(host, [a.slice, b.slice], options)
  t.strictSame(outcomes(await b.ssh(bind('3000', '20001'))), { '3000': 'bound', '20001': 'bound' }, 'and go')
})
