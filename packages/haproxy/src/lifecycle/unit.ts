import type { Command } from '@puppy/host'
import { HaproxyError } from '../errors.ts'

/** The facts that a unit is rendered from. */
export interface UnitFacts {
  readonly command: Command
  /** Created before every start, because it is usually on a file system that is empty after a boot. */
  readonly runFolder: string
  /** More commands to run before every start; see `planContexts`. A failure is ignored: HAProxy itself reports what is missing. */
  readonly before: readonly Command[]
}

/**
 * Renders the systemd unit of the proxy. Pure.
 *
 * systemd restarts HAProxy at once and without a limit, because no site is reachable without it.
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

/** Quotes words for a command line in a unit. systemd expands `%` and `$` inside quotes too, so they are doubled. */
function renderWords(words: readonly string[]): string {
  return words.map((word) => renderWord(word)).join(' ')
}

function renderWord(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw new HaproxyError('HAPROXY_NOT_ENCODABLE', {
      operation: 'encode a word of a unit',
      value: word,
      detail: 'it contains a control character',
    })
  }
  const text = word.replaceAll('%', '%%').replaceAll('$', '$$$$')
  return /^[A-Za-z0-9_./:@=,+%$-]+$/.test(text) ? text : `"${text.replaceAll(/[\\"]/g, '\\$&')}"`
}
