import type { ItemResult } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { differencesOf, renderDifference, type Difference } from '../limits/compare.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import type { ForeignSetting, ObservedSlice } from './observe.ts'
import type { SliceStep } from './plan.ts'
import { areComplete } from './port-rules.ts'
import type { SliceSpec } from './spec.ts'

/**
 * `set`: the kernel has them, or gets them with the first process. `stale`: those of before are attached beside them, and a port is
 * bound only when all allow it; `systemctl daemon-reexec` and `ensure` once more, or the end of the slice's sessions, detach them.
 * `missing`: systemd reports them, and the kernel has none. `unsupported`: systemd has no BPF.
 */
export type PortRuleStatus = 'set' | 'stale' | 'missing' | 'unsupported'

/** What became of one slice. */
export interface SliceResult extends ItemResult<CgroupError> {
  /**
   * `applied`: the kernel's own files were read and say so. `armed`: the slice is not in use; systemd has the limits and sets them with
   * the first process. `refused`: something is not as the spec says, see `error`.
   */
  readonly status: 'applied' | 'armed' | 'refused'
  /** The limits that the kernel does not have. */
  readonly differences: readonly Difference[]
  /** The state of its port rules. Absent: the spec has none for this slice. */
  readonly portRules?: PortRuleStatus
  /** What others have set for it and we do not. */
  readonly foreign: readonly ForeignSetting[]
}

/** What is known of a slice when its result is reported. */
export interface Outcome {
  readonly seen: ObservedSlice | undefined
  /** What was done for it. Absent: nothing. */
  readonly step?: SliceStep
  readonly error?: CgroupError
  /** Links of port rules that were replaced. */
  readonly oldLinks: readonly number[]
  /** Whether systemd has BPF. */
  readonly bpf: boolean
}

/** Returns what became of a slice by what the kernel has. Pure. @throws CgroupError `CGROUP_INVALID` */
export function resultOf(spec: SliceSpec, outcome: Outcome): SliceResult {
  const result = limitsResult(spec, outcome)
  if (spec.portRules === undefined) return result
  const portRules = portRulesOf(outcome)
  const error = result.error ?? (outcome.bpf ? portRulesError(spec.slice, portRules) : undefined)
  return error === undefined ? { ...result, portRules } : { ...result, portRules, status: 'refused', error }
}

function limitsResult({ slice, limits }: SliceSpec, { seen, step, error }: Outcome): SliceResult {
  const foreign = seen?.foreign ?? []
  const known = error === undefined && foreign.length > 0
  const ours = new Set(known ? parseDropIn(renderDropIn(limits)).map(({ property }) => property) : [])
  const base = {
    target: slice,
    changed: step !== undefined,
    foreign: foreign.filter(({ property }) => !ours.has(property)),
    differences: [],
  }
  if (error !== undefined) return { ...base, status: 'refused', error }
  const over = foreign.filter(({ property, by }) => by === 'file' && ours.has(property))
  if (over.length > 0) {
    const detail = over.map(({ path, property, value }) => `${path} sets ${property}=${value}`).join(', ')
    const facts = {
      operation: 'limit the slice',
      target: slice,
      detail: `${detail}; it sorts after our drop-in and wins, so remove it`,
    }
    return { ...base, status: 'refused', error: new CgroupError('CGROUP_REFUSED', facts) }
  }
  if (seen?.busy !== true) return { ...base, status: 'armed' }
  const differences = differencesOf(limits, seen.limits)
  if (differences.length === 0) return { ...base, status: 'applied' }
  return { ...base, status: 'refused', differences, error: differenceError(slice, differences, step) }
}

/** What was written and does not read back was refused. Any other difference came after the observation. */
function differenceError(slice: string, differences: readonly Difference[], step: SliceStep | undefined): CgroupError {
  const written = ({ name }: Difference) =>
    step?.busy === true && (step.enforce === 'reapply' || step.writes.some((write) => write.name === name))
  const texts = differences.map(renderDifference).join(', ')
  const facts = { operation: 'limit the slice', target: slice }
  if (differences.every(written)) return new CgroupError('CGROUP_REFUSED', { ...facts, detail: texts })
  const detail = `${texts}; the slice has changed since it was observed, observe and plan again`
  return new CgroupError('CGROUP_CONFLICT', { ...facts, detail })
}

function portRulesOf({ seen, oldLinks, bpf }: Outcome): PortRuleStatus {
  if (!bpf) return 'unsupported'
  if (seen?.busy !== true || seen.links === undefined) return 'set'
  if (!areComplete(seen.links)) return 'missing'
  return seen.links.some(({ id }) => oldLinks.includes(id)) ? 'stale' : 'set'
}

function portRulesError(slice: string, status: PortRuleStatus): CgroupError | undefined {
  if (status === 'set') return undefined
  const detail =
    status === 'stale'
      ? 'systemd has lost the port rules of before, which are attached beside the new ones: what only one of them allows is denied ' +
        'until the sessions end, or after systemctl daemon-reexec and another try'
      : 'systemd reports port rules, and the kernel has none'
  return new CgroupError('CGROUP_REFUSED', { operation: 'set the port rules of', target: slice, detail })
}
