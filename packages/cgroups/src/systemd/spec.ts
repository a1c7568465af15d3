import { CgroupError } from '../errors.ts'
import { faultsOfShape } from '../limits/check.ts'
import { namesDevices, resolveDevices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import { invalidLimit } from '../limits/settings.ts'
import { slicePath } from '../unit.ts'
import { renderDropIn, type PortRules } from './drop-in.ts'
import type { ObservedSlices } from './observe.ts'

/** The limits of one slice. An absent key has no line in our drop-in, so the default of systemd or another drop-in applies. */
export interface SliceSpec {
  /** `user-10001.slice` */
  readonly slice: string
  readonly limits: Limits
  /** The ports that its processes may bind. Ignored when systemd has no BPF. See `SliceResult.portRules`. */
  readonly portRules?: PortRules
}

/** The valid items of a spec, and the errors of the invalid ones. */
export interface PartitionedSpec {
  /** Valid items, with device numbers, and without port rules when systemd has no BPF. */
  readonly valid: readonly SliceSpec[]
  readonly refused: ReadonlyMap<string, CgroupError>
}

/** Checks each slice, resolves its devices, and omits port rules when systemd has no BPF. An invalid item does not affect others. Pure. */
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
  const detail = 'the spec has this slice more than once; keep one item for it'
  return new CgroupError('CGROUP_INVALID', { operation: 'limit the slice', value: slice, detail })
}
