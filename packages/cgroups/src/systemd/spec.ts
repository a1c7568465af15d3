import { CgroupError } from '../errors.ts'
import { faultsOfShape } from '../limits/check.ts'
import { namesDevices, resolveDevices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { invalidLimit } from '../limits/settings.ts'
import { slicePath } from '../unit.ts'
import { renderDropIn, type PortRules } from './drop-in.ts'
import type { ObservedSlices } from './observe.ts'

/** What a slice should have. An absent key has no line in our drop-in: systemd's defaults and other drop-ins hold. */
export interface SliceSpec {
  /** `user-10001.slice` */
  readonly slice: string
  readonly limits: Limits
  /** Which ports it may bind. Where systemd has no BPF the slice is limited without them, see `SliceResult.portRules`. */
  readonly portRules?: PortRules
}

/** The items of a spec: those that can be, and for the others why not. */
export interface PartitionedSpec {
  /** With the numbers of devices, and without port rules where systemd has no BPF. */
  readonly valid: readonly SliceSpec[]
  readonly refused: ReadonlyMap<string, CgroupError>
}

/** Checks every slice on its own, resolves its devices, and leaves out port rules where systemd has no BPF. Pure. */
export function partitionSpec(
  spec: readonly SliceSpec[],
  { systemd, devices }: Pick<ObservedSlices, 'systemd' | 'devices'>,
): PartitionedSpec {
  const valid: SliceSpec[] = []
  const refused = new Map<string, CgroupError>()
  const names = new Set<string>()
  for (const { slice, limits, portRules } of spec) {
    try {
      slicePath(slice)
      if (names.has(slice)) throw givenTwice(slice)
      names.add(slice)
      renderDropIn({}, portRules)
      const [fault] = faultsOfShape(limits)
      if (fault !== undefined) throw invalidLimit(fault)
      const resolved = namesDevices(limits) ? resolveDevices(limits, devices ?? { disks: [], mounts: [] }) : limits
      renderDropIn(resolved)
      valid.push({ slice, limits: resolved, ...(portRules === undefined || !systemd.bpf ? {} : { portRules }) })
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      refused.set(slice, error)
    }
  }
  return { valid: valid.filter(({ slice }) => !refused.has(slice)), refused }
}

function givenTwice(slice: string): CgroupError {
  return new CgroupError('CGROUP_INVALID', { operation: 'limit the slice', value: slice, detail: 'it is given twice' })
}
