import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import t from 'tap'
import { addTraffic } from '../../../../src/index.ts'
import { check, firewall, openTransfers, paths, readBob, type Kept } from '../../../support/reboot.ts'
import { settings } from '../../../support/settings.ts'
import { changesOf } from '../../../support/changes-of.ts'

t.setTimeout(300_000)
const skip = existsSync(paths.state) ? false : 'the test before the reboot did not run'

/** Microseconds since the boot. */
function moment(unit: string, property: string): number {
  const value = execFileSync('systemctl', ['show', '--value', '-p', property, unit], { encoding: 'utf8' })
  return Number(value.trim())
}

void t.test('after a reboot the table is loaded before any login, and totals continue', { skip }, async (t) => {
  t.teardown(async () => {
    execFileSync('systemctl', ['disable', '--now', 'firewall-live.service'], { stdio: 'pipe' })
    for (const path of Object.values(paths)) rmSync(path)
    execFileSync('systemctl', ['daemon-reload'])
    await firewall.remove()
  })
  t.strictSame(await changesOf(firewall, settings), [], 'the table matches the spec')
  const loaded = moment('firewall-live.service', 'ActiveEnterTimestampMonotonic')
  t.ok(loaded > 0)
  for (const unit of ['network-pre.target', 'systemd-user-sessions.service', 'cron.service', 'ssh.service']) {
    const started = moment(unit, 'ActiveEnterTimestampMonotonic')
    t.ok(loaded < started, `loaded ${((started - loaded) / 1e6).toFixed(1)} s before ${unit}`)
  }
  const kept = JSON.parse(readFileSync(paths.state, 'utf8')) as Kept
  let total = addTraffic(kept.total, await readBob())
  t.match(total, { sentBytes: kept.total.sentBytes, receivedBytes: kept.total.receivedBytes }, 'no traffic was lost')
  const transfer = await openTransfers(t)
  const more = await transfer()
  total = addTraffic(total, await readBob())
  const cable = { sent: kept.cable.sent + more.sent, received: kept.cable.received + more.received }
  check(t, 'across a reboot', { total, cable })
})
