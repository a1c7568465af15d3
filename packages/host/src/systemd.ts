import type { Host } from './host.ts'

/** systemd creates this folder at boot, and no other init does. */
const marker = '/run/systemd/system'

/**
 * Returns whether systemd is the init of this host, so that its units, timers and user managers exist.
 *
 * False for a host that is only a folder: systemd runs on the machine.
 *
 * @see sd_booted(3)
 */
export async function runsSystemd(host: Pick<Host, 'live' | 'status'>): Promise<boolean> {
  return host.live && (await host.status(marker))?.kind === 'folder'
}
