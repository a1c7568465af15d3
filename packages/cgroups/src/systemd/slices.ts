import { isUnfinished, type Host } from '@puppy/host'
import { readLimits } from '../direct/apply.ts'
import { shrinkMemory, type ShrinkOptions } from '../direct/shrink.ts'
import { CgroupError } from '../errors.ts'
import { openKernel, type Kernel } from '../kernel.ts'
import { differencesOf, differingSettings, type Difference } from '../limits/compare.ts'
import { openDevices } from '../limits/device.ts'
import { assertShape } from '../limits/settings.ts'
import { renderSetting } from '../limits/writes.ts'
import { probe, unsupported, type SystemdVersion } from '../probe.ts'
import { slicePath } from '../unit.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import { forEach } from './each.ts'
import {
  dropInPath,
  notePath,
  readSlices,
  type ForeignSetting,
  type ObservedSlice,
  type SliceOptions,
} from './observe.ts'
import { planSlices, type CgroupChange, type SliceStep, type WantedSlice } from './plan.ts'
import { openSystemctl, type Systemctl } from './systemctl.ts'

export interface EnsureOptions extends SliceOptions, ShrinkOptions {}

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
  /** Whether the slice carries walls for ports; `absent` where systemd was built without BPF. Only when they are wanted. */
  readonly bind?: 'set' | 'absent'
  /** What others have set for it and we do not. */
  readonly foreign: readonly ForeignSetting[]
  readonly error?: CgroupError
}

export interface EnsuredSlices {
  readonly changed: boolean
  readonly changes: readonly CgroupChange[]
  /** One for each wanted slice, in their order. */
  readonly results: readonly SliceResult[]
}

/** The first that knows every property that is written here. */
const leastSystemd = 252

/**
 * Makes slices have these limits, however many, with one `daemon-reload`, and reads back what the kernel has.
 *
 * Writes `/etc/systemd/system/SLICE.d/50-puppy.conf`, only where it differs, so limits hold before the first login and after a
 * reboot; a slice in use gets them at once. What somebody has set against it by `systemctl set-property` is removed, and what was
 * written to the kernel's files is written anew. A slice that cannot be as wanted is `refused` and does not disturb the others.
 * When nothing differs nothing is run. Needs root. Whoever calls it from several processes holds a lock of `Host`.
 *
 * @throws CgroupError `CGROUP_UNSUPPORTED` without systemd 252 or cgroup v2, `CGROUP_REFUSED`, `CGROUP_TIMEOUT` when systemd does not reload.
 */
export async function ensureSlices(
  host: Host,
  wanted: readonly WantedSlice[],
  options: EnsureOptions = {},
): Promise<EnsuredSlices> {
  const systemd = await requireSystemd(host, options)
  const kernel = options.kernel ?? openKernel(host, options.mount)
  const context: Context = {
    host,
    kernel,
    options: { ...options, kernel },
    systemctl: await openSystemctl(host, effectOf(options)),
  }
  const { good, bad } = await sortOut(host, wanted, systemd)
  const slices = good.map(({ slice }) => slice)
  const before = await readSlices(host, slices, context.options)
  const steps = planSlices(good, before)
  const { done, failed } = await carryOut(
    context,
    steps,
    before.unfinished !== undefined,
    new Map(before.slices.map((one) => [one.slice, one])),
  )
  const changed = new Map(done.map((step) => [step.slice, step]))
  const after = done.length === 0 ? before : await readSlices(host, slices, context.options)
  const seen = new Map(after.slices.map((one) => [one.slice, one]))
  const wantedNow = new Map(good.map((one) => [one.slice, one]))
  const results = wanted.map((one): SliceResult => {
    const error = bad.get(one.slice) ?? failed.get(one.slice)
    const observed = seen.get(one.slice)
    const result = resultOf(wantedNow.get(one.slice) ?? { ...one, limits: {} }, observed, changed.has(one.slice), error)
    return one.bind === undefined ? result : { ...result, bind: systemd.bpf ? 'set' : 'absent' }
  })
  return { changed: done.length > 0, changes: done.flatMap(({ changes }) => changes), results }
}

/** Takes our drop-ins away, with one `daemon-reload`; slices in use get systemd's defaults. It is no error when there are none. */
export async function removeSlices(
  host: Host,
  slices: readonly string[],
  options: EnsureOptions = {},
): Promise<{ readonly changed: boolean }> {
  const kernel = options.kernel ?? openKernel(host, options.mount)
  const observed = await readSlices(host, slices, { ...options, kernel })
  const ours = observed.slices.filter(({ text }) => text !== undefined)
  if (ours.length === 0 && observed.unfinished === undefined) return { changed: false }
  const systemctl = await openSystemctl(host, effectOf(options))
  const busy = observed.slices.filter(
    (one) => one.busy && (one.text !== undefined || observed.unfinished?.includes(one.slice) === true),
  )
  await writeNote(host, [...(observed.unfinished ?? []), ...busy.map(({ slice }) => slice)], options)
  await forEach(ours, 32, async ({ slice }) => {
    const path = dropInPath(slice, options)
    const folder = path.slice(0, path.lastIndexOf('/'))
    await host.remove(path)
    for (const name of (await host.list(folder)).filter(isUnfinished)) await host.remove(`${folder}/${name}`)
    if ((await host.list(folder)).length === 0) await host.remove(folder)
  })
  await systemctl.reload()
  // An empty weight is the default, which it is already; what counts is that systemd writes all the others, too.
  await forEach(busy, 4, ({ slice }) => realize({ host, systemctl }, slice, 'CPUWeight='))
  await host.remove(notePath(options))
  return { changed: ours.length > 0 }
}

interface Context {
  readonly host: Host
  readonly kernel: Kernel
  readonly systemctl: Systemctl
  readonly options: EnsureOptions
}

function effectOf({ signal }: EnsureOptions) {
  return signal === undefined ? {} : { signal }
}

async function requireSystemd(host: Host, { kernel }: EnsureOptions): Promise<SystemdVersion> {
  const { systemd, works, mode, error } = await probe(host, kernel === undefined ? {} : { kernel })
  if (!works) throw error ?? unsupported(mode)
  if (systemd !== undefined && systemd.version >= leastSystemd) return systemd
  throw new CgroupError('CGROUP_UNSUPPORTED', {
    operation: 'limit slices',
    ...(systemd === undefined ? {} : { value: `systemd ${systemd.version}` }),
    detail: `systemd ${leastSystemd} or later must run this machine`,
  })
}

/** Checks every slice on its own, resolves its devices, and leaves out walls where systemd cannot build them. */
async function sortOut(host: Host, wanted: readonly WantedSlice[], { bpf }: SystemdVersion) {
  const devices = openDevices(host)
  const good: WantedSlice[] = []
  const bad = new Map<string, CgroupError>()
  const names = new Set<string>()
  for (const { slice, limits, bind } of wanted) {
    try {
      slicePath(slice)
      if (names.has(slice))
        throw new CgroupError('CGROUP_INVALID', {
          operation: 'limit the slice',
          value: slice,
          detail: 'it is given twice',
        })
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

/** Notes first what will have to be finished, so that whoever comes after a kill finishes it. */
async function carryOut(
  context: Context,
  planned: readonly SliceStep[],
  reloadAnyway: boolean,
  before: ReadonlyMap<string, ObservedSlice>,
): Promise<{ readonly done: readonly SliceStep[]; readonly failed: ReadonlyMap<string, CgroupError> }> {
  const { host, systemctl, options } = context
  const failed = new Map<string, CgroupError>()
  const highs = new Map<string, string>()
  const fits = await forEach(planned, 8, async (step) => {
    try {
      await makeRoom(context, step, before.get(step.slice), highs)
      return true
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      failed.set(step.slice, error)
      return false
    }
  })
  const steps = planned.filter((_, index) => fits[index] === true)
  const written = steps.filter(({ text, remove }) => text !== undefined || remove.length > 0)
  if (written.length > 0 || reloadAnyway) {
    const realizing = steps.filter(({ settle }) => settle === 'realize').map(({ slice }) => slice)
    await writeNote(host, realizing, options)
    await forEach(written, 32, (step) => writeStep(host, step, options))
    // A slice in use has its new limits now, not when systemd has read a thousand units; it will write the same ones.
    await settleAll(
      context,
      steps.filter(({ settle }) => settle === 'write'),
      highs,
    )
    await systemctl.reload()
  }
  for (const [slice, error] of await settleAll(
    context,
    steps.filter(({ settle }) => settle !== 'nothing'),
    highs,
  ))
    failed.set(slice, error)
  if (written.length > 0 || reloadAnyway) await host.remove(notePath(options))
  return { done: steps, failed }
}

async function settleAll(
  context: Context,
  steps: readonly SliceStep[],
  highs: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, CgroupError>> {
  const failed = new Map<string, CgroupError>()
  await forEach(steps, 4, async (step) => {
    try {
      await settle(context, step, highs.get(step.slice))
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error
      failed.set(step.slice, error)
    }
  })
  return failed
}

/** systemd writes a new `memory.max` as it stands, whatever is in use: room is made before it hears of it. */
async function makeRoom(
  { kernel, options }: Context,
  { slice, limits }: SliceStep,
  seen: ObservedSlice | undefined,
  highs: Map<string, string>,
) {
  const max = limits.memory?.max
  const now = seen?.limits.memory?.max
  if (seen?.busy !== true || typeof max !== 'number' || (typeof now === 'number' && now <= max)) return
  const path = slicePath(slice)
  const high = kernel.read(path, 'memory.high')?.trim()
  await shrinkMemory(kernel, path, max, options)
  if (high !== undefined) highs.set(slice, high)
}

async function writeNote(host: Host, slices: readonly string[], options: SliceOptions): Promise<void> {
  const path = notePath(options)
  await host.makeFolder(path.slice(0, path.lastIndexOf('/')), { mode: 0o700 })
  await host.replace(path, slices.map((slice) => `${slice}\n`).join(''), { mode: 0o600 })
}

async function writeStep(host: Host, { slice, text, remove }: SliceStep, options: SliceOptions): Promise<void> {
  for (const path of remove) await host.remove(path)
  if (text === undefined) return
  const path = dropInPath(slice, options)
  await host.makeFolder(path.slice(0, path.lastIndexOf('/')))
  await host.replace(path, text, { mode: 0o644 })
}

/**
 * Brings what systemd has read to the kernel. systemd 252 does it by itself at the reload; 257 waits until something else happens
 * to the slice. Where that is enough, we write the very values that systemd would write.
 */
async function settle(
  context: Context,
  { slice, limits, settle: how }: SliceStep,
  highBefore: string | undefined,
): Promise<void> {
  const { kernel } = context
  const path = slicePath(slice)
  if (how === 'realize') return realize(context, slice, lineToRealize(limits))
  const differing = differingSettings(limits, readLimits(kernel, path, limits))
  try {
    for (const { setting } of differing) {
      const { file, value } = renderSetting(setting)
      await kernel.write(path, file, value)
    }
    // Making room has set memory.high, which is nobody's wish here.
    if (highBefore !== undefined && limits.memory?.high === undefined)
      await kernel.write(path, 'memory.high', highBefore)
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error
    // The last session has ended meanwhile: the limits are armed.
    if (error.code !== 'CGROUP_GONE') await realize(context, slice, lineToRealize(limits))
  }
}

/** Any line of ours will do: the value is the one that systemd has. */
function lineToRealize(limits: SliceStep['limits']): string {
  const [first] = parseDropIn(renderDropIn(limits)).filter(
    ({ property }) => property !== 'CPUQuota' && !property.startsWith('IO'),
  )
  return first === undefined ? 'CPUWeight=' : `${first.property}=${first.value}`
}

/** Makes systemd write everything that it has for a slice, and leaves nothing of the way it is asked behind. */
async function realize(
  { host, systemctl }: Pick<Context, 'host' | 'systemctl'>,
  slice: string,
  line: string,
): Promise<void> {
  const folder = `/run/systemd/system.control/${slice}.d`
  const before = await host.list(folder)
  await systemctl.setProperty(slice, line)
  for (const file of await host.list(folder)) if (!before.includes(file)) await host.remove(`${folder}/${file}`)
  if ((await host.list(folder)).length === 0) await host.remove(folder)
}

function resultOf(
  wanted: WantedSlice,
  seen: ObservedSlice | undefined,
  changed: boolean,
  error: CgroupError | undefined,
): SliceResult {
  const { slice, limits } = wanted
  const ours = new Set(error === undefined ? parseDropIn(renderDropIn(limits)).map(({ property }) => property) : [])
  const foreign = seen?.foreign ?? []
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
