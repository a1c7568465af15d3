import type { Host } from '@puppy/host'
import { readLimits } from '../cgroupfs/apply-limits.ts'
import { CgroupError } from '../errors.ts'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { differingSettings } from '../limits/compare.ts'
import { renderSetting } from '../limits/writes.ts'
import { slicePath } from '../unit.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import { forEach } from './each.ts'
import type { SliceStep } from './plan.ts'
import type { Systemctl } from './systemctl.ts'

/** What settling works on. */
export interface Machine {
  readonly host: Host
  readonly cgroupfs: Cgroupfs
  readonly systemctl: Systemctl
}

/**
 * Settles steps, a few at a time; those that could not be are in the answer.
 *
 * @param highs what `memory.high` was before room was made, by slice.
 */
export async function enforceAll(
  machine: Machine,
  steps: readonly SliceStep[],
  highs: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, CgroupError>> {
  const failed = new Map<string, CgroupError>()
  await forEach(steps, 4, async (step) => {
    try {
      await settle(machine, step, highs.get(step.slice))
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      failed.set(step.slice, error)
    }
  })
  return failed
}

/**
 * Brings what systemd has read to the kernel. systemd 252 does it by itself at the reload; 257 waits until something else happens
 * to the slice. Where that is enough, we write the very values that systemd would write.
 */
async function settle(
  machine: Machine,
  { slice, limits, settle: how }: SliceStep,
  highBefore: string | undefined,
): Promise<void> {
  const { cgroupfs } = machine
  const path = slicePath(slice)
  const text = renderDropIn(limits)
  if (how === 'reapply') return reapply(machine, slice, text)
  const differing = differingSettings(limits, readLimits(cgroupfs, path, limits))
  try {
    for (const { setting } of differing) {
      const { file, value } = renderSetting(setting)
      await cgroupfs.write(path, file, value)
    }
    // Making room has set memory.high, which is nobody's wish here.
    if (highBefore !== undefined && limits.memory?.high === undefined)
      await cgroupfs.write(path, 'memory.high', highBefore)
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // The last session has ended meanwhile: the limits are armed.
    if (error.code !== 'CGROUP_GONE') await reapply(machine, slice, text)
  }
}

/**
 * Makes systemd write everything that it has for a slice, and leaves nothing of the way it is asked behind.
 *
 * @param text a drop-in that it has read: any line of it will do, as the value is the one that systemd has.
 */
export async function reapply(
  { host, systemctl }: Pick<Machine, 'host' | 'systemctl'>,
  slice: string,
  text: string,
): Promise<void> {
  const folder = `/run/systemd/system.control/${slice}.d`
  const before = await host.list(folder)
  await systemctl.setProperty(slice, lineToRealize(text))
  for (const file of await host.list(folder)) if (!before.includes(file)) await host.remove(`${folder}/${file}`)
  if ((await host.list(folder)).length === 0) await host.remove(folder)
}

/** An empty weight is the default: where that is the answer the text has none. */
function lineToRealize(text: string): string {
  const [first] = parseDropIn(text).filter(({ property }) => !/^(CPUQuota$|IO|SocketBind)/.test(property))
  return first === undefined ? 'CPUWeight=' : `${first.property}=${first.value}`
}
