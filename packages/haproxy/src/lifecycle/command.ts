import type { Command } from '@puppy/host'
import type { ProxyFiles } from '../settings.ts'

/**
 * The command that starts HAProxy: master and worker, in the background, known to its peers as `puppy`.
 *
 * @see haproxy(1)
 */
export function startCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-W', '-D', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}

/** The same for systemd, in the foreground and with word of being ready. */
export function serviceCommand(program: string, files: Pick<ProxyFiles, 'config' | 'pid'>): Command {
  return [program, '-Ws', '-f', files.config, '-p', files.pid, '-L', 'puppy']
}
