import type { ItemResult } from '@puppy/host'
import { CgroupError } from '../errors.ts'
import { differencesOf, renderDifference, type Difference } from '../limits/compare.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import type { ForeignSetting, ObservedSlice } from './observe.ts'
import type { SliceStep } from './plan.ts'
import { areComplete } from './port-rules.ts'
import type { SliceSpec } from './spec.ts'

/**
 * - `set`: the kernel has the port rules, or gets them with the first process.
 * - `stale`: the previous rules are still attached beside the new ones, and a process can bind a port only when all rules allow it.
 *   `systemctl daemon-reexec` followed by `ensure`, or the end of the sessions of the slice, detaches the previous rules.
 * - `missing`: systemd reports port rules, but the kernel has none.
 * - `unsupported`: systemd has no BPF.
 */
export type PortRuleStatus = 'set' | 'stale' | 'missing' | 'unsupported'

/** The result for one slice. */
export interface SliceResult extends ItemResult<CgroupError> {
  /**
   * - `applied`: the kernel's files were read and have the limits.
   * - `armed`: the slice is not in use. systemd has the limits and sets them with the first process.
   * - `refused`: something differs from the spec. See `error`.
   */
  readonly status: 'applied' | 'armed' | 'refused'
  /** The limits that the kernel does not have. */
  readonly differences: readonly Difference[]
  /** The state of its port rules. Absent when the spec has no port rules for this slice. */
  readonly portRules?: PortRuleStatus
  /** Foreign settings of properties that the spec does not set. */
  readonly foreign: readonly ForeignSetting[]
}

/** The facts from which the result of a slice is made. */
export interface Outcome {
  readonly seen: ObservedSlice | undefined
  /** The step that was performed. Absent when nothing was done for the slice. */
  readonly step?: SliceStep
  readonly error?: CgroupError
  /** Links of port rules that were replaced. */
  readonly oldLinks: readonly number[]
  /** Whether systemd has BPF. */
  readonly bpf: boolean
}

/** Returns the result for a slice, based on the values in the kernel. Pure. @throws CgroupError `CGROUP_INVALID` */
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
      detail: `${detail}, which overrides the drop-in of Puppy because the file name sorts later; remove this setting`,
    }
    return { ...base, status: 'refused', error: new CgroupError('CGROUP_REFUSED', facts) }
  }
  if (seen?.busy !== true) return { ...base, status: 'armed' }
  const differences = differencesOf(limits, seen.limits)
  if (differences.length === 0) return { ...base, status: 'applied' }
  return { ...base, status: 'refused', differences, error: differenceError(slice, differences, step) }
}

/** A written limit that differs was refused by the kernel or systemd. Any other difference was made after the observation. */
function differenceError(slice: string, differences: readonly Difference[], step: SliceStep | undefined): CgroupError {
  const written = ({ name }: Difference) =>
    step?.busy === true && (step.enforce === 'reapply' || step.writes.some((write) => write.name === name))
  const texts = differences.map(renderDifference).join(', ')
  const facts = { operation: 'limit the slice', target: slice }
  if (differences.every(written))
    return new CgroupError('CGROUP_REFUSED', { ...facts, detail: `after the write, ${texts}` })
  const detail = `${texts}; the slice changed after it was observed; read and plan again`
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
      ? 'systemd no longer tracks the previous port rules, and they are still attached; a port can be bound only if both the previous ' +
        'and the new rules allow it; run "systemctl daemon-reexec" and try again, or end all sessions of the slice'
      : 'systemd reports port rules, but the kernel has none; try again'
  return new CgroupError('CGROUP_REFUSED', { operation: 'set the port rules of', target: slice, detail })
}
