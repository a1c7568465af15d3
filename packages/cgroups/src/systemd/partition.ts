import type { Host } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import type { Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { openDevices } from '../limits/device.ts'
import { assertShape } from '../limits/settings.ts'
import { probe, unsupported, type SystemdVersion } from '../probe.ts'
import { slicePath } from '../unit.ts'
import { renderDropIn } from './drop-in.ts'
import type { SliceSpec } from './plan.ts'

/** The first that knows every property that is written here. */
const leastSystemd = 252

/** @throws CgroupError `CGROUP_UNSUPPORTED` */
export async function requireSystemd(host: Host, cgroupfs?: Cgroupfs): Promise<SystemdVersion> {
  const { systemd, works, mode, error } = await probe(host, cgroupfs === undefined ? {} : { cgroupfs })
  if (!works) throw error ?? unsupported(mode)
  if (systemd !== undefined && systemd.version >= leastSystemd) return systemd
  throw new CgroupError('CGROUP_UNSUPPORTED', {
    operation: 'limit slices',
    ...(systemd === undefined ? {} : { value: `systemd ${systemd.version}` }),
    detail: `systemd ${leastSystemd} or later must run this machine`,
  })
}

/** What can be done, and for what cannot: why, by slice. */
export interface SortedOut {
  readonly good: readonly SliceSpec[]
  readonly bad: ReadonlyMap<string, CgroupError>
}

/** Checks every slice on its own, resolves its devices, and leaves out walls where systemd cannot build them. */
export async function partition(host: Host, wanted: readonly SliceSpec[], { bpf }: SystemdVersion): Promise<SortedOut> {
  const devices = openDevices(host)
  const good: SliceSpec[] = []
  const bad = new Map<string, CgroupError>()
  const names = new Set<string>()
  for (const { slice, limits, bind } of wanted) {
    try {
      slicePath(slice)
      if (names.has(slice)) throw givenTwice(slice)
      names.add(slice)
      renderDropIn({}, bind)
      assertShape(limits)
      const resolved = { slice, limits: await devices(limits), ...(bind === undefined || !bpf ? {} : { bind }) }
      renderDropIn(resolved.limits)
      good.push(resolved)
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      bad.set(slice, error)
    }
  }
  return { good: good.filter(({ slice }) => !bad.has(slice)), bad }
}

function givenTwice(slice: string): CgroupError {
  return new CgroupError('CGROUP_INVALID', { operation: 'limit the slice', value: slice, detail: 'it is given twice' })
}
