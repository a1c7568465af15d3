import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { renderRuleset, renderUnit } from '../../../../src/boot.ts'
import { addTraffic, type Traffic } from '../../../../src/index.ts'
import { cannotRun } from '../../../support/lab.ts'
import { check, firewall, openTransfers, paths, readBob, type Kept } from '../../../support/reboot.ts'
import { settings } from '../../../support/settings.ts'

t.setTimeout(300_000)
const skip = cannotRun || (process.env['TESTBED_GUEST'] === undefined && 'needs a disposable host that restarts')

void t.test('the total stays correct when the table is replaced', { skip }, async (t) => {
  const transfer = await openTransfers(t)
  await firewall.ensure(settings)
  let total: Traffic = addTraffic(undefined, await readBob())
  const first = await transfer()
  total = addTraffic(total, await readBob())
  await firewall.remove()
  await firewall.ensure(settings)
  total = addTraffic(total, await readBob())
  const second = await transfer()
  total = addTraffic(total, await readBob())
  const cable = { sent: first.sent + second.sent, received: first.received + second.received }
  const kept: Kept = { total, cable }
  check(t, 'across a replacement', kept)

  writeFileSync(paths.ruleset, renderRuleset(firewall.table, settings), { mode: 0o600 })
  writeFileSync(paths.unit, renderUnit(['/usr/sbin/nft', '-j', '-f', paths.ruleset]))
  execFileSync('systemctl', ['enable', paths.unit], { stdio: 'pipe' })
  writeFileSync(paths.state, JSON.stringify(kept))
})
