import { mapLimit, isUnfinished, type Host } from '@puppy/host'
import { shrinkMemory, type ShrinkOptions } from '../cgroupfs/shrink-memory.ts'
import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { parseDropIn, renderDropIn } from './drop-in.ts'
import { enforceAll, failureOf, type EnforcedStep, type Machine } from './enforce.ts'
import { readTree, type ObservedSlice, type ObservedSlices } from './observe.ts'
import { dropInPath, notePath, oldLinksPath, type SlicesOptions } from './paths.ts'
import type { SliceChangeSet } from './plan.ts'
import { renderOldLinks } from './port-rules.ts'
import { restorePortRules } from './restore-port-rules.ts'

/** The machine and the options with which a change set is applied. */
export interface Site extends Machine {
  readonly options: SlicesOptions
  readonly effect: ShrinkOptions
  /** Whether systemd has BPF. */
  readonly bpf: boolean
}

/** The state after a change set was applied. */
export interface AppliedSteps {
  /** The slices, read back from the kernel. */
  readonly slices: ReadonlyMap<string, ObservedSlice>
  /** The steps that were started. */
  readonly steps: ReadonlyMap<string, EnforcedStep>
  readonly failed: ReadonlyMap<string, CgroupError>
  readonly oldLinks: ObservedSlices['oldLinks']
}

/**
 * Performs the steps of a change set with at most one reload, and reads the limits back from the kernel.
 *
 * First records the work in a file, so that the next `ensure` finishes it if this process is killed.
 */
export async function applySteps(
  site: Site,
  { steps: planned, valid, observed }: SliceChangeSet,
): Promise<AppliedSteps> {
  const { host, systemctl, options } = site
  const failed = new Map<string, CgroupError>()
  const highs = new Map<string, string>()
  const unfinished = observed.unfinished !== undefined
  const all = planned.map((step) => enforcedStep(step, valid))
  const writes = (step: EnforcedStep) => step.text !== undefined || step.remove.length > 0
  const shrinks = (step: EnforcedStep) => step.shrink !== undefined

  const notes = unfinished || all.some(writes) || all.some(shrinks)
  if (notes) {
    await checkUnchanged(site, all.filter(writes), observed, failed)
    const noted = all.filter((step) => step.enforce === 'reapply' || shrinks(step)).map(({ slice }) => slice)
    await writeNote(host, [...new Set([...(observed.unfinished ?? []), ...noted])], options)
  }
  await collect(all.filter(shrinks), failed, 8, (step) => makeRoom(site, step, highs))
  const written = all.filter((step) => writes(step) && !failed.has(step.slice))
  const reloads = written.length > 0 || unfinished
  let { oldLinks } = observed
  if (reloads) {
    oldLinks = await noteOldLinks(host, written, observed, options)
    if (unfinished) await removeLeftovers(host, observed, options)
    await collect(written, failed, 8, async ({ remove }) => {
      for (const path of remove) await host.remove(path)
    })
    await writeDropIns(host, written, failed, options)
  }
  const steps = all.filter(({ slice }) => !failed.has(slice))
  if (reloads) {
    // A slice in use gets its new limits now, not after systemd has read a thousand units. systemd will write the same values.
    for (const [slice, error] of await enforceAll(site, steps.filter(isWritten))) failed.set(slice, error)
    await systemctl.reload()
  }
  const left = steps.filter(({ slice }) => !failed.has(slice))
  for (const [slice, error] of await enforceAll(site, left)) failed.set(slice, error)
  await restoreHighs(site, all, highs, failed)
  const names = observed.slices.map(({ slice }) => slice)
  if (site.bpf && (reloads || steps.some(({ portRules }) => portRules === 'restore'))) {
    await restorePortRules(site, names, options)
  }
  const slices = new Map((await readAfter(site, observed, steps)).map((one) => [one.slice, one]))
  if (reloads) oldLinks = await forgetOldLinks(host, oldLinks, slices, options)
  if (notes) await host.remove(notePath(options))
  return { slices, steps: new Map(steps.map((step) => [step.slice, step])), failed, oldLinks }
}

function isWritten({ enforce }: EnforcedStep): boolean {
  return enforce === 'write'
}

function enforcedStep(step: SliceChangeSet['steps'][number], valid: SliceChangeSet['valid']): EnforcedStep {
  const { limits, portRules } = valid.find(({ slice }) => slice === step.slice) ?? { limits: {} }
  return { ...step, limits, dropIn: renderDropIn(limits, portRules) }
}

/** Does the same work for each step. A failure is recorded for its slice and does not affect the other slices. */
async function collect(
  steps: readonly EnforcedStep[],
  failed: Map<string, CgroupError>,
  atOnce: number,
  work: (step: EnforcedStep) => Promise<void>,
): Promise<void> {
  await mapLimit(
    steps.filter(({ slice }) => !failed.has(slice)),
    atOnce,
    async (step) => {
      try {
        await work(step)
      } catch (error) {
        failed.set(step.slice, failureOf(step.slice, error))
      }
    },
  )
}

/** Finds slices whose files changed after they were observed. To overwrite them would undo the change of another process. */
async function checkUnchanged(
  { host, options }: Site,
  steps: readonly EnforcedStep[],
  observed: ObservedSlices,
  failed: Map<string, CgroupError>,
): Promise<void> {
  const seen = new Map(observed.slices.map((one) => [one.slice, one]))
  await collect(steps, failed, 32, async ({ slice, remove }) => {
    const before = seen.get(slice)
    const path = dropInPath(slice, options)
    if ((await host.read(path)) !== before?.text) throw changedSince(slice, path)
    for (const file of remove) {
      const now = parseDropIn((await host.read(file)) ?? '')
      const then = before?.foreign.filter((one) => one.path === file) ?? []
      const same = now.length === then.length && now.every(({ value }, index) => value === then[index]?.value)
      if (!same) throw changedSince(slice, file)
    }
  })
}

function changedSince(slice: string, path: string): CgroupError {
  return new CgroupError('CGROUP_CONFLICT', {
    operation: 'limit the slice',
    target: slice,
    detail: `${path} changed after it was observed; read and plan again`,
  })
}

/** Reclaims memory before systemd reads a new `memory.max`, because systemd writes it without regard to the memory in use. */
async function makeRoom({ cgroupfs, effect }: Site, { slice, shrink }: EnforcedStep, highs: Map<string, string>) {
  const path = slicePath(slice)
  const high = cgroupfs.read(path, 'memory.high')?.trim()
  if (shrink === undefined || high === undefined) return
  await shrinkMemory(cgroupfs, path, shrink, effect)
  if (cgroupfs.read(path, 'memory.high')?.trim() !== high) highs.set(slice, high)
}

/** Restores `memory.high`, which reclaiming lowered, when the spec does not set it or when the slice failed. */
async function restoreHighs(
  { cgroupfs }: Site,
  steps: readonly EnforcedStep[],
  highs: ReadonlyMap<string, string>,
  failed: Map<string, CgroupError>,
): Promise<void> {
  await mapLimit(steps, 8, async ({ slice, limits, enforce }) => {
    const high = highs.get(slice)
    if (high === undefined || (!failed.has(slice) && (limits.memory?.high !== undefined || enforce === 'reapply')))
      return
    try {
      await cgroupfs.write(slicePath(slice), 'memory.high', high)
    } catch (error) {
      const failure = failureOf(slice, error)
      if (failure.code !== 'CGROUP_GONE' && !failed.has(slice)) failed.set(slice, failure)
    }
  })
}

/** Records the slices that systemd must write again. Writes the file also without slices, because it means that systemd must reload. */
export async function writeNote(host: Host, slices: readonly string[], options: SlicesOptions): Promise<void> {
  await makeRunFolder(host, options)
  await host.replace(notePath(options), slices.map((slice) => `${slice}\n`).join(''), { mode: 0o600 })
}

async function makeRunFolder(host: Host, options: SlicesOptions): Promise<void> {
  const path = notePath(options)
  await host.makeFolder(path.slice(0, path.lastIndexOf('/')), { mode: 0o700 })
}

/** Records the links of port rules that change. systemd no longer tracks a link that is still attached afterwards. */
async function noteOldLinks(
  host: Host,
  steps: readonly EnforcedStep[],
  { slices, oldLinks }: ObservedSlices,
  options: SlicesOptions,
): Promise<ObservedSlices['oldLinks']> {
  const changing = new Set(steps.flatMap(({ slice, portRules }) => (portRules === 'change' ? [slice] : [])))
  if (changing.size === 0) return oldLinks
  const noted = new Map(oldLinks)
  for (const { slice, links = [] } of slices) {
    if (!changing.has(slice)) continue
    noted.set(
      slice,
      links.map(({ id }) => id),
    )
  }
  await writeOldLinks(host, noted, options)
  return noted
}

/** Removes detached links from the record of old links. */
async function forgetOldLinks(
  host: Host,
  noted: ObservedSlices['oldLinks'],
  slices: ReadonlyMap<string, ObservedSlice>,
  options: SlicesOptions,
): Promise<ObservedSlices['oldLinks']> {
  if (noted.size === 0) return noted
  const left = new Map(
    [...noted].flatMap(([slice, ids]): [string, readonly number[]][] => {
      const now = slices.get(slice)
      if (now === undefined || (now.busy && now.links === undefined)) return [[slice, ids]]
      const attached = ids.filter((id) => now.links?.some((link) => link.id === id))
      return attached.length === 0 ? [] : [[slice, attached]]
    }),
  )
  await writeOldLinks(host, left, options)
  return left
}

async function writeOldLinks(host: Host, noted: ObservedSlices['oldLinks'], options: SlicesOptions): Promise<void> {
  if (noted.size === 0) {
    await host.remove(oldLinksPath(options))
    return
  }
  await makeRunFolder(host, options)
  await host.replace(oldLinksPath(options), renderOldLinks(noted), { mode: 0o600 })
}

async function writeDropIns(
  host: Host,
  steps: readonly EnforcedStep[],
  failed: Map<string, CgroupError>,
  options: SlicesOptions,
): Promise<void> {
  const files = steps.flatMap(({ slice, text }) =>
    text === undefined || failed.has(slice)
      ? []
      : [{ slice, path: dropInPath(slice, options), text, mode: 0o644, makeFolder: true }],
  )
  const written = await host.replaceMany(files)
  for (const [index, { error }] of written.entries()) {
    const slice = files[index]?.slice ?? ''
    if (error !== undefined) failed.set(slice, failureOf(slice, error))
  }
}

/** Removes temporary files that a killed run left beside drop-ins. */
async function removeLeftovers(host: Host, { slices }: ObservedSlices, options: SlicesOptions): Promise<void> {
  await mapLimit(slices, 32, async ({ slice }) => {
    const path = dropInPath(slice, options)
    await removeUnfinished(host, path.slice(0, path.lastIndexOf('/')))
  })
}

/** Removes temporary files from a folder. @returns the names of the other files. */
export async function removeUnfinished(host: Host, folder: string): Promise<readonly string[]> {
  const names = await host.list(folder)
  for (const name of names.filter(isUnfinished)) await host.remove(`${folder}/${name}`)
  return names.filter((name) => !isUnfinished(name))
}

/** Reads the slices from the kernel again. The drop-ins are not read, because their changes are known. */
async function readAfter(
  { host, cgroupfs }: Site,
  observed: ObservedSlices,
  done: readonly EnforcedStep[],
): Promise<readonly ObservedSlice[]> {
  const steps = new Map(done.map((step) => [step.slice, step]))
  const files = observed.slices.map(({ slice, text, foreign }) => {
    const step = steps.get(slice)
    const now = step?.text ?? text
    const left = step === undefined ? foreign : foreign.filter(({ path }) => !step.remove.includes(path))
    return { slice, foreign: left, ...(now === undefined ? {} : { text: now }) }
  })
  return readTree(host, cgroupfs, files)
}
