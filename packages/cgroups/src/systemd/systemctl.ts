import { findTool, HostError, runOptions, runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'

/** systemctl(1), as far as it is needed. */
export interface Systemctl {
  /** Makes systemd read all units again. @throws CgroupError `CGROUP_REFUSED`, `CGROUP_TIMEOUT` */
  reload(): Promise<void>
  /**
   * Sets a property until the next boot. systemd then writes all of a unit's limits to the kernel, also those that it has only read
   * so far.
   *
   * @throws CgroupError `CGROUP_REFUSED`, `CGROUP_TIMEOUT`
   */
  setProperty(unit: string, line: string): Promise<void>
}

/** Finds systemctl(1). @throws CgroupError `CGROUP_UNSUPPORTED` where systemd does not run the machine. */
export async function openSystemctl(host: Host, options: EffectOptions = {}): Promise<Systemctl> {
  const program = findTool(host, 'systemctl')
  if (program === undefined || !(await runsSystemd(host))) {
    throw new CgroupError('CGROUP_UNSUPPORTED', {
      operation: 'limit slices',
      detail: 'systemd does not run this machine',
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
    reload: () => run('make systemd read its units again', undefined, ['daemon-reload']),
    setProperty: (unit, line) => run('set a property of', unit, ['set-property', '--runtime', '--', unit, line]),
  })
}

function translated(cause: HostError, operation: string, target: string | undefined): Error {
  const facts = { operation, cause, ...(target === undefined ? {} : { target }) }
  if (cause.code === 'HOST_TIMEOUT') {
    const detail = 'systemd did not answer in time, and may still do it'
    return new CgroupError('CGROUP_TIMEOUT', { ...facts, detail })
  }
  if (cause.code !== 'HOST_PROGRAM_FAILED') return cause
  return new CgroupError('CGROUP_REFUSED', { ...facts, said: cause.facts.stderr?.trim().slice(-1000) ?? '' })
}
