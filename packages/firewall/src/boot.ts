import type { Command } from '@puppy/host'
import { FirewallError } from './errors.ts'
import { renderCommands } from './nft/render.ts'
import { loadCommands } from './restore.ts'
import { tableOf } from './rules/table.ts'
import type { FirewallSpec } from './spec.ts'

/**
 * Renders the file that loads the table at boot, for `nft -j -f FILE`. Pure.
 *
 * Loading the file is idempotent and keeps counters.
 *
 * @throws FirewallError `FIREWALL_INVALID`
 */
export function renderRuleset(table: string, spec: FirewallSpec): string {
  return `${renderCommands(loadCommands(tableOf(table, spec)))}\n`
}

/**
 * Renders a systemd unit that loads the file of `renderRuleset` before the network is up and before any user can log in. Pure.
 *
 * The unit hides `/etc/passwd` from nft. Otherwise nft would search that file for a login with the name of the uid, once for each uid.
 *
 * @param load the command that loads the file: `['/usr/sbin/nft', '-j', '-f', FILE]`
 * @throws FirewallError `FIREWALL_INVALID` for a word that systemd would interpret
 * @see systemd.special(7) for network-pre.target
 */
export function renderUnit(load: Command): string {
  return `[Unit]
Description=Port and egress rules of Puppy's tenants
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
  const detail = 'a word of the command may contain only letters, digits and _@+=:,./-'
  throw new FirewallError('FIREWALL_INVALID', { operation: 'render the unit', value: word, detail })
}
