import { differencesOf, type Difference } from '../limits/compare.ts'
import type { Limits } from '../limits/limits.ts'
import { parseDropIn, renderDropIn, type PortRules } from './drop-in.ts'
import type { ForeignSetting, ObservedSlice, ObservedSlices } from './observe.ts'
import { stands } from './port-rules.ts'

/** What a slice should have. What is absent is left to systemd's defaults and to other drop-ins. */
export interface SliceSpec {
  /** `user-10001.slice` */
  readonly slice: string
  readonly limits: Limits
  readonly bind?: PortRules
}

/** One planned difference between wanted and observed, as a value that can be shown before anything happens. */
export interface SliceChange {
  readonly facility: 'cgroups'
  /** The slice, and the kernel's file or the drop-in if it is about one: `user-10001.slice memory.max`. */
  readonly target: string
  /** `add` and `change` are our drop-in; `repair` is what the kernel has; `remove` is what somebody has set against it. */
  readonly action: 'add' | 'change' | 'repair' | 'remove'
  readonly before?: string
  readonly after?: string
}

/** What is to be done for one slice. */
export interface SliceStep {
  readonly slice: string
  readonly limits: Limits
  /** The new text of the drop-in. */
  readonly text?: string
  /** Files of `set-property` that contradict it. */
  readonly remove: readonly string[]
  /** How what systemd has read gets to the kernel: by writing the same values, or by making systemd write all that it has. */
  readonly settle: 'nothing' | 'write' | 'reapply'
  /** Whether walls that the kernel has must go, or walls that it should have are missing. */
  readonly walls?: 'change' | 'restore'
  readonly changes: readonly SliceChange[]
}

/**
 * Plans what to do so that slices are as wanted. Pure; a slice that is as it should be has no step.
 *
 * Devices in the limits must be numbers.
 *
 * @throws CgroupError `CGROUP_INVALID`
 */
export function planSlices(wanted: readonly SliceSpec[], observed: ObservedSlices): readonly SliceStep[] {
  const bySlice = new Map(observed.slices.map((slice) => [slice.slice, slice]))
  return wanted.flatMap((one) => {
    const seen = bySlice.get(one.slice) ?? { slice: one.slice, busy: false, limits: {}, foreign: [] }
    const step = planSlice(one, seen, observed.unfinished?.includes(one.slice) === true)
    return step === undefined ? [] : [step]
  })
}

function planSlice(wanted: SliceSpec, seen: ObservedSlice, unfinished: boolean): SliceStep | undefined {
  const { slice, limits } = wanted
  const text = renderDropIn(limits, wanted.bind)
  const remove = seen.foreign.length === 0 ? [] : against(text, seen.foreign)
  const differences = seen.busy ? differencesOf(limits, seen.limits) : []
  const rewritten = text !== seen.text
  const walls = wallsOf(seen, text)
  const settle = !seen.busy
    ? 'nothing'
    : unfinished || (rewritten && needsSystemd(seen.text, text))
      ? 'reapply'
      : settleOf(differences)
  if (!rewritten && remove.length === 0 && settle === 'nothing' && walls === undefined) return undefined
  const changes: readonly SliceChange[] = [
    ...(rewritten ? [dropInChange(slice, seen.text, text)] : []),
    ...remove.map((path): SliceChange => ({ facility: 'cgroups', target: `${slice} ${path}`, action: 'remove' })),
    ...(rewritten ? [] : differences).map(({ name, wanted: after, observed: before }): SliceChange => {
      const change = { facility: 'cgroups', target: `${slice} ${name}`, action: 'repair', after } as const
      return before === undefined ? change : { ...change, before }
    }),
    ...(walls === 'restore'
      ? [{ facility: 'cgroups', target: `${slice} SocketBindDeny`, action: 'repair' } as const]
      : []),
  ]
  const step = { slice, limits, remove, settle, changes }
  return { ...step, ...(rewritten ? { text } : {}), ...(walls === undefined ? {} : { walls }) }
}

/** Files of `set-property` that set what ours sets. */
function against(text: string, foreign: readonly ForeignSetting[]): readonly string[] {
  const own = new Set(parseDropIn(text).map(({ property }) => property))
  const paths = foreign.flatMap(({ by, path, property }) => (by === 'set-property' && own.has(property) ? [path] : []))
  return [...new Set(paths)]
}

function dropInChange(slice: string, before: string | undefined, after: string): SliceChange {
  if (before === undefined) return { facility: 'cgroups', target: slice, action: 'add', after }
  return { facility: 'cgroups', target: slice, action: 'change', before, after }
}

/** What the kernel has decides: systemd 257 lets go of walls when it reads its units anew, and says that they are there. */
function wallsOf(seen: ObservedSlice, text: string): SliceStep['walls'] {
  if (!seen.busy || seen.walls === undefined) return undefined
  if (wallLines(seen.text) !== wallLines(text)) return 'change'
  return stands(seen.walls) ? undefined : 'restore'
}

/** A file that is not there means a controller that is switched off, which is systemd's to switch on. */
function settleOf(differences: readonly Difference[]): SliceStep['settle'] {
  if (differences.length === 0) return 'nothing'
  return differences.some(({ observed }) => observed === undefined) ? 'reapply' : 'write'
}

/** Whether a drop-in takes something back, whose default only systemd knows, or changes the walls, which are no files. */
function needsSystemd(before: string | undefined, after: string): boolean {
  const lines = (text: string) =>
    parseDropIn(text).map(({ property, value }) => ({ property, value, key: keyOf(property, value) }))
  const [old, now] = [lines(before ?? ''), lines(after)]
  return wallLines(before) !== wallLines(after) || old.some(({ key }) => !now.some((line) => line.key === key))
}

function wallLines(text = ''): string {
  return parseDropIn(text)
    .flatMap(({ property, value }) => (property.startsWith('SocketBind') ? [`${property}=${value}`] : []))
    .join()
}

/** A limit of a device is about that device. */
function keyOf(property: string, value: string): string {
  return /^IO(Read|Write)/.test(property) ? `${property} ${value.split(' ')[0]}` : property
}
