import { mapLimit, HostError, type Host } from '@puppy/host'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { readLimits } from '../cgroupfs/read-limits.ts'
import { CgroupError } from '../errors.ts'
import { differencesOf } from '../limits/compare.ts'
import type { Limits } from '../limits/limits.ts'
import { slicePath } from '../unit.ts'
import { parseDropIn } from './drop-in.ts'
import { emptyLine, type SliceStep } from './plan.ts'
import type { Systemctl } from './systemctl.ts'

/** The interfaces of the machine through which slices are enforced. */
export interface Machine {
  readonly host: Host
  readonly cgroupfs: Cgroupfs
  readonly systemctl: Systemctl
}

/** A step with its drop-in and limits. */
export interface EnforcedStep extends SliceStep {
  readonly limits: Limits
  /** The text of the drop-in that systemd has read. */
  readonly dropIn: string
}

/** Enforces steps, a few at a time. @returns the errors of the failed steps, by slice. */
export async function enforceAll(
  machine: Machine,
  steps: readonly EnforcedStep[],
): Promise<ReadonlyMap<string, CgroupError>> {
  const failed = new Map<string, CgroupError>()
  await mapLimit(steps, 4, async (step) => {
    try {
      await enforce(machine, step)
    } catch (error) {
      failed.set(step.slice, failureOf(step.slice, error))
    }
  })
  return failed
}

/** Returns the error of one slice. @throws the error itself when it is not a failure of the kernel, systemd or the host. */
export function failureOf(slice: string, error: unknown): CgroupError {
  if (error instanceof CgroupError) return error
  if (!(error instanceof HostError) || error.code === 'HOST_ABORTED') throw error
  return new CgroupError('CGROUP_REFUSED', {
    operation: 'limit the slice',
    target: slice,
    detail: error.message,
    cause: error,
  })
}

/**
 * Applies the limits that systemd has read to the kernel. systemd 252 does this itself at the reload. systemd 257 waits until another event
 * happens to the slice. Where possible, this function writes the same values that systemd would write.
 */
async function enforce(machine: Machine, { slice, limits, dropIn, enforce: how, writes }: EnforcedStep): Promise<void> {
  if (how === 'nothing') return
  if (how === 'reapply') return reapply(machine, slice, dropIn)
  const { cgroupfs } = machine
  const path = slicePath(slice)
  const differing = new Set(differencesOf(limits, readLimits(cgroupfs, path, limits)).map(({ name }) => name))
  try {
    for (const { name, file, value } of writes) if (differing.has(name)) await cgroupfs.write(path, file, value)
  } catch (error) {
    // The last session ended meanwhile and the group was removed. The drop-in applies from the next session on.
    if (error instanceof CgroupError && error.code === 'CGROUP_GONE') return
    throw isSwitchedOff(error) ? conflictOf(slice, error) : error
  }
}

function isSwitchedOff(error: unknown): boolean {
  return error instanceof CgroupError && error.facts.errno === 'ENOENT'
}

/** Returns the error for a file that existed at the observation and does not exist now: another program disabled its controller. */
function conflictOf(slice: string, cause: unknown): CgroupError {
  return new CgroupError('CGROUP_CONFLICT', {
    operation: 'limit the slice',
    target: slice,
    detail: 'a controller was disabled after the slice was observed; read and plan again',
    cause,
  })
}

/**
 * Makes systemd write all values that it has for a slice. Sets one property for this, and removes the file that `set-property` creates.
 *
 * @param dropIn the drop-in that systemd has read. Any of its lines can be set, because systemd already has that value.
 */
export async function reapply(
  { host, systemctl }: Pick<Machine, 'host' | 'systemctl'>,
  slice: string,
  dropIn: string,
): Promise<void> {
  const folder = `/run/systemd/system.control/${slice}.d`
  const before = await host.list(folder)
  await systemctl.setProperty(slice, lineToSet(dropIn))
  for (const file of await host.list(folder)) if (!before.includes(file)) await host.remove(`${folder}/${file}`)
  if ((await host.list(folder)).length === 0) await host.remove(folder)
}

function lineToSet(dropIn: string): string {
  const [first = emptyLine] = parseDropIn(dropIn).filter(({ property }) => !/^(CPUQuota$|IO|SocketBind)/.test(property))
  return `${first.property}=${first.value}`
}
