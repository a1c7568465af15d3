import type { Command } from '@puppy/host'
import type { ProxyFiles } from '../settings.ts'

/**
 * Returns the command that starts HAProxy: master and worker, in the background, known to its peers as `puppy`.
 *
 * @see haproxy(1)
 */
export function startCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-W', '-D', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}

/** Returns the same for systemd: in the foreground, and it notifies systemd when it is ready. */
export function serviceCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-Ws', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}
