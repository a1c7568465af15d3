import { findTool, HostError, runOptions, runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'

/** The commands of systemctl(1) that this package uses. */
export interface Systemctl {
  /** Makes systemd reload all units. @throws CgroupError `CGROUP_REFUSED`, `CGROUP_TIMEOUT` */
  reload(): Promise<void>
  /**
   * Sets a property until the next boot. systemd then writes all limits of the unit to the kernel, also those that it has read from files
   * but not applied yet.
   *
   * @throws CgroupError `CGROUP_REFUSED`, `CGROUP_TIMEOUT`
   */
  setProperty(unit: string, line: string): Promise<void>
}

/** Finds systemctl(1). @throws CgroupError `CGROUP_UNSUPPORTED` when systemd is not the init system of the machine. */
export async function openSystemctl(host: Host, options: EffectOptions = {}): Promise<Systemctl> {
  const program = findTool(host, 'systemctl')
  if (program === undefined || !(await runsSystemd(host))) {
    throw new CgroupError('CGROUP_UNSUPPORTED', {
      operation: 'limit slices',
      detail: 'systemd is not the init system of this machine',
    })
  }
  const run = async (operation: string, target: string | undefined, args: readonly string[]) => {
    try {
      await host.run([program, ...args], runOptions('machine', options))
    } catch (error) {
      throw error instanceof HostError ? translated(error, operation, target) : error
    }
  }
  return Object.freeze<Systemctl>({
    reload: () => run('reload the units of systemd', undefined, ['daemon-reload']),
    setProperty: (unit, line) => run('set a property of', unit, ['set-property', '--runtime', '--', unit, line]),
  })
}

function translated(cause: HostError, operation: string, target: string | undefined): Error {
  const facts = { operation, cause, ...(target === undefined ? {} : { target }) }
  if (cause.code === 'HOST_TIMEOUT') {
    const detail = 'systemd did not answer in time, and may still finish the operation; try again'
    return new CgroupError('CGROUP_TIMEOUT', { ...facts, detail })
  }
  if (cause.code !== 'HOST_PROGRAM_FAILED') return cause
  return new CgroupError('CGROUP_REFUSED', { ...facts, said: cause.facts.stderr?.trim().slice(-1000) ?? '' })
}
