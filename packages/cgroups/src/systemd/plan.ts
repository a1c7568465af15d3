import type { Change, ChangeSet } from '@puppy/host'
import type { CgroupError } from '../errors.ts'
import { differingSettings, type DifferingSetting } from '../limits/compare.ts'
import { nameOf } from '../limits/check.ts'
import { renderSetting, type CgroupWrite } from '../limits/writes.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import type { ForeignSetting, ObservedSlice, ObservedSlices } from './observe.ts'
import { areComplete } from './port-rules.ts'
import { partitionSpec, type SliceSpec } from './spec.ts'

/** One planned difference between a spec and an observation. */
export interface SliceChange extends Change {
  readonly facility: 'cgroups'
  /** The slice, or `systemd`. */
  readonly target: string
  /**
   * - `add`, `change`: write our drop-in. The texts are those of the drop-in.
   * - `repair`: set a value in the kernel again: `pids.max=6`.
   * - `remove`: remove a file of `set-property` that contradicts our drop-in.
   * - `reload`, `reapply`: finish the work of an earlier run.
   */
  readonly action: 'add' | 'change' | 'repair' | 'remove' | 'reload' | 'reapply'
}

/** The work of `apply` for one slice. */
export interface SliceStep {
  readonly slice: string
  /** Whether the slice was in use when it was observed. */
  readonly busy: boolean
  /** The new text of the drop-in. Absent when the drop-in does not change. */
  readonly text?: string
  /** Files of `set-property` to remove. */
  readonly remove: readonly string[]
  /**
   * How the limits that systemd has read are applied to the kernel. `write`: by writing `writes`, the same values that systemd would write.
   * `reapply`: by making systemd write all its values for the slice.
   */
  readonly enforce: 'nothing' | 'write' | 'reapply'
  /** The kernel's files that differ, and the values to write to them. */
  readonly writes: readonly (CgroupWrite & { readonly name: string })[]
  /** A new `memory.max` below the previous one. Memory is reclaimed before systemd reads the new limit. */
  readonly shrink?: number
  /** `change`: the port rules in the kernel must be replaced. `restore`: port rules are missing in the kernel. */
  readonly portRules?: 'change' | 'restore'
}

/** The changes for `apply`, with everything that it needs to perform them and to report results. */
export interface SliceChangeSet extends ChangeSet<SliceChange, CgroupError> {
  readonly spec: readonly SliceSpec[]
  /** The valid items of the spec, with device numbers. */
  readonly valid: readonly SliceSpec[]
  readonly steps: readonly SliceStep[]
  readonly observed: ObservedSlices
}

const unfinishedText = 'an earlier run did not finish'

/** Plans the changes that the spec requires. A slice that matches the spec has no step. Pure. */
export function planSlices(spec: readonly SliceSpec[], observed: ObservedSlices): SliceChangeSet {
  const { valid, refused } = partitionSpec(spec, observed)
  const bySlice = new Map(observed.slices.map((slice) => [slice.slice, slice]))
  const planned = valid.map((item) => {
    const seen = bySlice.get(item.slice) ?? { slice: item.slice, busy: false, limits: {}, foreign: [] }
    return planSlice(item, seen, observed.unfinished?.includes(item.slice) === true)
  })
  const reload: SliceChange = {
    facility: 'cgroups',
    target: 'systemd',
    action: 'reload',
    before: unfinishedText,
    command: 'systemctl daemon-reload',
  }
  return {
    spec,
    valid,
    observed,
    changes: [...(observed.unfinished === undefined ? [] : [reload]), ...planned.flatMap(({ changes }) => changes)],
    steps: planned.flatMap(({ step, changes }) => (changes.length === 0 ? [] : [step])),
    refused: [...refused].map(([target, error]) => ({ target, error })),
  }
}

function planSlice(
  { slice, limits, portRules: rules }: SliceSpec,
  seen: ObservedSlice,
  unfinished: boolean,
): { readonly step: SliceStep; readonly changes: readonly SliceChange[] } {
  const text = renderDropIn(limits, rules)
  const remove = contradicting(text, seen.foreign)
  const differing = seen.busy ? differingSettings(limits, seen.limits) : []
  const rewritten = text !== seen.text
  const portRules = portRuleStep(seen, text)
  const systemdMustWrite = unfinished || (rewritten && needsSystemd(seen.text, text)) || differing.some(isSwitchedOff)
  const enforce = !seen.busy ? 'nothing' : systemdMustWrite ? 'reapply' : differing.length === 0 ? 'nothing' : 'write'
  const max = limits.memory?.max
  const now = seen.limits.memory?.max
  const shrinks = seen.busy && typeof max === 'number' && (typeof now !== 'number' || now > max)
  const change = (
    action: SliceChange['action'],
    before: string | undefined,
    after: string | undefined,
  ): SliceChange => ({
    facility: 'cgroups',
    target: slice,
    action,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  })
  const repairs = differing.map(({ setting, observed }) =>
    change(
      'repair',
      observed === undefined ? undefined : `${nameOf(setting)}=${observed}`,
      `${nameOf(setting)}=${setting.value}`,
    ),
  )
  return {
    step: {
      slice,
      busy: seen.busy,
      remove,
      enforce,
      writes: differing.map(({ setting }) => ({ name: nameOf(setting), ...renderSetting(setting) })),
      ...(rewritten ? { text } : {}),
      ...(shrinks ? { shrink: max } : {}),
      ...(portRules === undefined ? {} : { portRules }),
    },
    changes: [
      ...(rewritten ? [change(seen.text === undefined ? 'add' : 'change', seen.text, text)] : []),
      ...remove.map((path) => change('remove', path, undefined)),
      ...(rewritten ? [] : repairs),
      ...(unfinished && seen.busy && !rewritten && repairs.length === 0
        ? [change('reapply', unfinishedText, text)]
        : []),
      ...(portRules === 'restore' ? [change('repair', 'the kernel has no port rules', portRuleLines(text))] : []),
    ],
  }
}

/**
 * The property to set to make systemd write its values, for a drop-in without a suitable line. An empty weight is the default. A killed run
 * may leave a file with this line.
 */
export const emptyLine = { property: 'CPUWeight', value: '' } as const

/** Returns the files of `set-property` that set a property of our drop-in, or that an earlier run left. */
function contradicting(text: string, foreign: readonly ForeignSetting[]): readonly string[] {
  if (foreign.length === 0) return []
  const own = new Set(parseDropIn(text).map(({ property }) => property))
  const left = ({ path, property, value }: ForeignSetting) =>
    path.startsWith('/run/') && property === emptyLine.property && value === emptyLine.value
  const paths = foreign.flatMap((one) =>
    one.by === 'set-property' && (own.has(one.property) || left(one)) ? [one.path] : [],
  )
  return [...new Set(paths)]
}

/** Decides by the links in the kernel, because systemd 257 detaches port rules when it reloads its units, but still reports them. */
function portRuleStep(seen: ObservedSlice, text: string): SliceStep['portRules'] {
  if (!seen.busy || seen.links === undefined) return undefined
  if (portRuleLines(seen.text) !== portRuleLines(text)) return 'change'
  return areComplete(seen.links) ? undefined : 'restore'
}

/** A missing file means that its controller is disabled, and only systemd enables it. */
function isSwitchedOff({ observed }: DifferingSetting): boolean {
  return observed === undefined
}

/** Returns whether only systemd can apply a new drop-in: it removes a limit (only systemd knows the default) or changes port rules. */
function needsSystemd(before: string | undefined, after: string): boolean {
  const lines = (text: string) =>
    parseDropIn(text).map(({ property, value }) => ({ property, value, key: keyOf(property, value) }))
  const [old, now] = [lines(before ?? ''), lines(after)]
  return portRuleLines(before) !== portRuleLines(after) || old.some(({ key }) => !now.some((line) => line.key === key))
}

function portRuleLines(text = ''): string {
  return parseDropIn(text)
    .flatMap(({ property, value }) => (property.startsWith('SocketBind') ? [`${property}=${value}`] : []))
    .join(' ')
}

/** The key of a device limit includes the device. */
function keyOf(property: string, value: string): string {
  return /^IO(Read|Write)/.test(property) ? `${property} ${value.split(' ')[0]}` : property
}
