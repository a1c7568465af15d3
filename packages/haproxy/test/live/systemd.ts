import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createHost } from '@puppy/host'
import { openHaproxy } from '../../src/haproxy.ts'
import { get, range, skip, tenant } from '../support/proxy.ts'

t.setTimeout(300_000)

const unable =
  process.getuid?.() !== 0
    ? 'it needs root'
    : existsSync('/run/systemd/system')
      ? skip
      : 'systemd does not run this machine'

void t.test(
  'a HAProxy under systemd is started, revived by it, reloaded, stopped and forgotten',
  { skip: unable },
  async (t) => {
    const service = `puppy-test-${process.pid}`
    const unit = `/etc/systemd/system/${service}.service`
    const host = createHost()
    // A port that policies let HAProxy bind by another name than 80, which a Puppy on this machine may have.
    const port = 8008
    const base = `/run/${service}`
    const settings = { folder: `${base}/f`, runFolder: `${base}/r`, listen: [`127.0.0.1:${port}`], service, ...range }
    const haproxy = openHaproxy(host, { ...settings, connectionsPerTenant: 20 })
    t.teardown(async () => {
      await haproxy.remove()
      await host.remove(base)
    })
    t.matchOnlyStrict(await haproxy.planRunning(), [
      {
        facility: 'haproxy',
        target: 'process',
        action: 'add',
        after: new RegExp(`systemctl enable --now ${service}\\.service`),
      },
    ])
    const first = await haproxy.ensureRunning()
    t.ok(first.started)
    const backend = await tenant(t)
    await haproxy.ensureRoutes({ routes: [{ domain: 'a.test', port: backend.port }], suspended: [] })
    t.equal((await get(port, 'a.test')).status, 200)

    process.kill(first.pid, 'SIGKILL')
    const pidFile = `${settings.runFolder}/haproxy.pid`
    const isNew = async () => (await haproxy.alive()) && (await host.read(pidFile))?.trim() !== String(first.pid)
    for (let turn = 0; turn < 3000 && !(await isNew()); turn++) await sleep(20)
    const second = await haproxy.ensureRunning()
    t.not(second.pid, first.pid)
    t.equal(second.started, false, 'systemd did it')
    t.equal((await get(port, 'a.test')).status, 200)

    const changed = openHaproxy(host, { ...settings, connectionsPerTenant: 7 })
    t.match(await changed.ensureConfig(), { changed: true, reloaded: true })
    t.equal((await changed.ensureRunning()).pid, second.pid)

    await haproxy.stop()
    await sleep(1000)
    t.equal(await haproxy.alive(), false, 'stopped means stopped')
    await haproxy.remove()
    t.equal(await host.status(unit), undefined)
  },
)
