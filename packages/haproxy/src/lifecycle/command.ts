import type { Command } from '@puppy/host'
import type { ProxyFiles } from '../settings.ts'

/**
 * Returns the command that starts HAProxy in the background: a master and a worker, with the peer name `puppy`.
 *
 * @see haproxy(1)
 */
export function startCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-W', '-D', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}

/** Returns the command that systemd starts HAProxy with: in the foreground, with a notification when it is ready. */
export function serviceCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-Ws', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}
