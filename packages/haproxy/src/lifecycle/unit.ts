import type { Command } from '@puppy/host'
import { HaproxyError } from '../errors.ts'

/** What a unit is rendered from. */
export interface UnitFacts {
  readonly command: Command
  /** Made before every start: it is usually on a file system that a boot empties. */
  readonly runFolder: string
  /** What else is done before every start; see `planContexts`. If one fails, HAProxy reports what it lacks. */
  readonly before: readonly Command[]
}

/**
 * Renders the systemd unit of the proxy. Pure.
 *
 * systemd restarts it at once and without a limit: no site is reachable without it.
 *
 * @throws HaproxyError `HAPROXY_NOT_ENCODABLE` for a control character in a word.
 * @see systemd.service(5), systemd.unit(5)
 */
export function renderUnit({ command, runFolder, before }: UnitFacts): string {
  return [
    '[Unit]',
    'Description=Front door of the tenants (HAProxy)',
    'After=network-online.target',
    'Wants=network-online.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    `ExecStartPre=${renderWords(['/usr/bin/mkdir', '-p', '-m', '0711', '--', runFolder])}`,
    ...before.map((words) => `ExecStartPre=-${renderWords(words)}`),
    `ExecStart=${renderWords(command)}`,
    'ExecReload=/bin/kill -USR2 $MAINPID',
    'KillMode=mixed',
    'SuccessExitStatus=143',
    'Restart=always',
    'RestartSec=200ms',
    'LimitNOFILE=131072',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
}

/** Quotes for a command line in a unit: `%` and `$` are expanded inside quotes too, so they are doubled. */
function renderWords(words: readonly string[]): string {
  return words.map((word) => renderWord(word)).join(' ')
}

function renderWord(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw new HaproxyError('HAPROXY_NOT_ENCODABLE', { operation: 'encode a word of a unit', value: word })
  }
  const text = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[A-Za-z0-9_./:@=,+%$-]+$/.test(text) ? text : `"${text.replaceAll(/[\\"]/g, '\\$&')}"`
}
