import t from 'tap'
import { renderRuleset, renderUnit } from '../src/boot.ts'
import { settings } from './support/settings.ts'

void t.test('renderRuleset() renders one transaction with a newline at the end', async (t) => {
  const text = renderRuleset('puppy', settings)
  t.ok(text.endsWith('}\n'))
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly object[] }
  t.match(nftables[0], { add: { table: { family: 'inet', name: 'puppy' } } })
  t.notMatch(text, /"ruleset"/)
  t.throws(() => renderRuleset('no name', settings), { code: 'FIREWALL_INVALID' })
})

void t.test('renderUnit() orders the unit before the network and before logins', async (t) => {
  const unit = renderUnit(['/usr/sbin/nft', '-j', '-f', '/var/lib/puppy/firewall.json'])
  t.match(unit, /^ExecStart=\/usr\/sbin\/nft -j -f \/var\/lib\/puppy\/firewall\.json$/m)
  t.match(unit, /^BindReadOnlyPaths=\/dev\/null:\/etc\/passwd$/m, 'nft does not search a login for each uid')
  t.match(unit, /^Before=network-pre\.target systemd-user-sessions\.service/m)
  t.match(unit, /^Wants=network-pre\.target$/m)
  for (const word of ['a b', 'a%n', 'a$B', 'a\nExecStart=/bin/sh', '']) {
    t.throws(() => renderUnit(['/usr/sbin/nft', word]), { code: 'FIREWALL_INVALID' }, JSON.stringify(word))
  }
})
