import { CgroupError } from '../errors.ts'
import { differencesOf, type Difference } from '../limits/compare.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import type { ForeignSetting, ObservedSlice } from './observe.ts'
import type { WantedSlice } from './plan.ts'
import { stands } from './walls.ts'

/** What became of one slice. */
export interface SliceResult {
  readonly slice: string
  /**
   * `applied`: the kernel's own files say so. `armed`: nobody uses the slice yet; systemd has the limits and gives them to it with
   * the first process. `refused`: something is not as wanted, see `differences` and `error`.
   */
  readonly status: 'applied' | 'armed' | 'refused'
  readonly changed: boolean
  readonly differences: readonly Difference[]
  /**
   * The walls for ports, only when they are wanted and no error kept them from being applied. `set`: the kernel has them, or gets them with the first process. `stale`: those
   * of before stand beside them, and a port is bound only when all allow it; `systemctl daemon-reexec` and this call once more,
   * or the end of the slice's sessions, ends that. `absent`: systemd was built without BPF, or the kernel has none in spite of it.
   */
  readonly bind?: 'set' | 'stale' | 'absent'
  /** What others have set for it and we do not. */
  readonly foreign: readonly ForeignSetting[]
  readonly error?: CgroupError
}

/** What is known of a slice when its result is told. */
export interface Outcome {
  readonly seen: ObservedSlice | undefined
  readonly changed: boolean
  readonly error: CgroupError | undefined
  /** Links of walls that were to go. */
  readonly old: readonly number[]
  /** Whether systemd builds walls. */
  readonly bpf: boolean
}

/** Tells what became of a slice by what the kernel has. Pure. @throws CgroupError `CGROUP_INVALID` */
export function resultOf(wanted: WantedSlice, outcome: Outcome): SliceResult {
  const result = limitsResult(wanted, outcome)
  if (wanted.bind === undefined || outcome.error !== undefined) return result
  const bind = bindOf(outcome)
  const fault = outcome.bpf && result.status !== 'refused' ? wallFault(wanted.slice, bind) : undefined
  return fault === undefined ? { ...result, bind } : { ...result, bind, status: 'refused', error: fault }
}

function limitsResult(wanted: WantedSlice, { seen, changed, error }: Outcome): SliceResult {
  const { slice, limits } = wanted
  const foreign = seen?.foreign ?? []
  const known = error === undefined && foreign.length > 0
  const ours = new Set(known ? parseDropIn(renderDropIn(limits)).map(({ property }) => property) : [])
  const base = { slice, changed, foreign: foreign.filter(({ property }) => !ours.has(property)) }
  if (error !== undefined) return { ...base, status: 'refused', differences: [], error }
  const over = foreign.filter(({ property, by }) => by === 'file' && ours.has(property))
  if (over.length > 0) {
    const detail = over.map(({ path, property, value }) => `${path} sets ${property}=${value}`).join(', ')
    const facts = {
      operation: 'limit the slice',
      target: slice,
      detail: `${detail}; it sorts after ours and wins, remove it`,
    }
    return { ...base, status: 'refused', differences: [], error: new CgroupError('CGROUP_REFUSED', facts) }
  }
  if (seen?.busy !== true) return { ...base, status: 'armed', differences: [] }
  const differences = differencesOf(limits, seen.limits)
  return { ...base, status: differences.length === 0 ? 'applied' : 'refused', differences }
}

function bindOf({ seen, old, bpf }: Outcome): 'set' | 'stale' | 'absent' {
  if (!bpf) return 'absent'
  if (seen?.busy !== true || seen.walls === undefined) return 'set'
  if (!stands(seen.walls)) return 'absent'
  return seen.walls.some(({ id }) => old.includes(id)) ? 'stale' : 'set'
}

function wallFault(slice: string, bind: 'set' | 'stale' | 'absent'): CgroupError | undefined {
  if (bind === 'set') return undefined
  const detail =
    bind === 'stale'
      ? 'systemd has lost hold of the walls of before, which stand beside the new ones: what only one of them allows is denied ' +
        'until the sessions end, or after systemctl daemon-reexec and another try'
      : 'systemd says that the walls are there, and the kernel has none'
  return new CgroupError('CGROUP_REFUSED', { operation: 'wall the ports of', target: slice, detail })
}
