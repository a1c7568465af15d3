import { createHost, type Host } from '@puppy/host'

/** The systemd functions of live tests: run systemctl, and start a service that sleeps in a slice. */
export interface Systemd {
  readonly systemctl: (...args: readonly string[]) => ReturnType<Host['run']>
  readonly startIn: (slice: string) => ReturnType<Host['run']>
}

/** Returns these functions for the systemd of this machine. `service` is the unit that `startIn` starts. */
export function systemdOf(service: string, host: Host = createHost()): Systemd {
  return {
    systemctl: (...args) =>
      host.run(['/usr/bin/systemctl', ...args], { touches: 'machine', accept: [0, 1, 5], timeout: 120_000 }),
    startIn: (slice) =>
      host.run(['/usr/bin/systemd-run', '--quiet', `--unit=${service}`, `--slice=${slice}`, '/usr/bin/sleep', '1000'], {
        touches: 'machine',
        timeout: 120_000,
      }),
  }
}
