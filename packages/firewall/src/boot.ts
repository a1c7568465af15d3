import type { Command } from '@puppy/host'
import { FirewallError } from './errors.ts'
import { renderCommands } from './nft/render.ts'
import { loadCommands } from './restore.ts'
import type { WallSettings } from './settings.ts'
import { planWalls } from './walls/walls.ts'

/**
 * Renders the file that loads the table at boot, for `nft -j -f FILE`. Pure.
 *
 * Loading it a second time changes nothing and leaves counters alone.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function renderRuleset(table: string, settings: WallSettings): string {
  return `${renderCommands(loadCommands(planWalls(table, settings)))}\n`
}

/**
 * Renders a systemd unit that loads that file before there is a network and before anybody can log in. Pure.
 *
 * nft runs where `/etc/passwd` is empty: it would look for a login's name of each uid there.
 *
 * @param load the command, as `renderRuleset`'s file wants it: `['/usr/sbin/nft', '-j', '-f', FILE]`
 * @throws FirewallError `FIREWALL_INVALID` for a word that systemd would read otherwise
 * @see systemd.special(7) for network-pre.target
 */
export function renderUnit(load: Command): string {
  return `[Unit]
Description=The walls between Puppy's tenants
DefaultDependencies=no
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target systemd-user-sessions.service cron.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
BindReadOnlyPaths=/dev/null:/etc/passwd
ExecStart=${load.map((word) => plainWord(word)).join(' ')}

[Install]
WantedBy=sysinit.target
`
}

function plainWord(word: string): string {
  if (/^[A-Za-z0-9_@+=:,./-]+$/.test(word)) return word
  const detail = 'only letters, digits and _@+=:,./- go into a unit'
  throw new FirewallError('FIREWALL_INVALID', { operation: 'write the unit', value: word, detail })
}
