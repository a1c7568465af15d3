import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost, readPolicyContexts } from '@puppy/host'
import { openHaproxy } from '../../src/haproxy.ts'
import { get, range, skip, tenant } from '../support/proxy.ts'

t.setTimeout(300_000)

const unable =
  process.getuid?.() !== 0
    ? 'needs root'
    : existsSync('/run/systemd/system')
      ? skip
      : 'systemd does not run on this machine'

void t.test('systemd starts, restarts, reloads, stops and removes HAProxy', { skip: unable }, async (t) => {
  const service = `puppy-test-${process.pid}`
  const unit = `/etc/systemd/system/${service}.service`
  const host = createHost()
  // SELinux policies allow HAProxy to bind this port under another name than port 80, which a Puppy on this machine may use.
  const port = 8008
  const base = `/run/${service}`
  const spec = { listen: [`127.0.0.1:${port}`], connectionsPerTenant: 20, ...range }
  const runFolder = `${base}/r`
  const haproxy = openHaproxy(host, { folder: `${base}/f`, runFolder, service })
  t.teardown(async () => {
    await haproxy.remove()
    await host.remove(base)
  })
  const planned = haproxy.config.plan(spec, await haproxy.config.read(spec)).changes
  t.match(planned.at(-1), { command: new RegExp(`systemctl enable --now ${service}\\.service`) })
  const first = await haproxy.ensureRunning(spec)
  t.ok(first.started)
  const [confined] = await readPolicyContexts(host, ['/run/haproxy/admin.sock'])
  const workers = readFileSync(`/proc/${first.pid}/task/${first.pid}/children`, 'utf8').trim().split(' ')
  if (confined === undefined) t.comment('the policy of this machine does not confine HAProxy')
  else
    for (const pid of [first.pid, ...workers])
      t.match(readFileSync(`/proc/${pid}/attr/current`, 'utf8'), /:haproxy_t:/, 'the policy confines it')
  const backend = await tenant(t)
  await haproxy.routes.ensure({ ...range, routes: [{ domain: 'a.test', port: backend.port }], suspended: [] })
  t.equal((await get(port, 'a.test')).status, 200)

  process.kill(first.pid, 'SIGKILL')
  const pidFile = `${runFolder}/haproxy.pid`
  const isNew = async () => (await haproxy.alive()) && (await host.read(pidFile))?.trim() !== String(first.pid)
  for (let turn = 0; turn < 3000 && !(await isNew()); turn++) await sleep(20)
  const second = await haproxy.ensureRunning(spec)
  t.not(second.pid, first.pid)
  t.equal(second.started, false, 'systemd restarted it')
  t.equal((await get(port, 'a.test')).status, 200)

  const changed = { ...spec, connectionsPerTenant: 7 }
  t.match(await haproxy.config.ensure(changed), { changed: true, reloaded: true })
  t.equal((await haproxy.ensureRunning(changed)).pid, second.pid)

  await haproxy.stop()
  await sleep(1000)
  t.equal(await haproxy.alive(), false, 'systemd does not restart a stopped unit')
  await haproxy.remove()
  t.equal(await host.status(unit), undefined)
})
