import { HostError, isUnfinished, type Host } from '@puppy/host'
import { shrinkMemory, type ShrinkOptions } from '../cgroupfs/shrink-memory.ts'
import { CgroupError } from '../errors.ts'
import { slicePath } from '../unit.ts'
import { forEach } from './each.ts'
import {
  dropInPath,
  notePath,
  oldWallsPath,
  type ObservedSlice,
  type ObservedSlices,
  type SliceOptions,
} from './observe.ts'
import type { SliceStep } from './plan.ts'
import { restorePortRules } from './restore-port-rules.ts'
import { enforceAll, type Machine } from './enforce.ts'
import { renderOldWalls } from './port-rules.ts'

export interface EnsureOptions extends SliceOptions, ShrinkOptions {}

/** What steps are carried out on. */
export interface Site extends Machine {
  readonly options: EnsureOptions
  /** Whether systemd builds walls. */
  readonly bpf: boolean
}

export interface CarriedOut {
  readonly done: readonly SliceStep[]
  readonly failed: ReadonlyMap<string, CgroupError>
  /** Links of walls that were to go, by slice; those that are still there afterwards are out of systemd's hands. */
  readonly oldWalls: ReadonlyMap<string, readonly number[]>
}

/** Carries steps out with one reload. Notes first what will have to be finished, so that whoever comes after a kill finishes it. */
export async function carryOut(site: Site, planned: readonly SliceStep[], before: ObservedSlices): Promise<CarriedOut> {
  const { host, systemctl, options } = site
  const failed = new Map<string, CgroupError>()
  const seen = new Map(before.slices.map((one) => [one.slice, one]))
  const highs = new Map<string, string>()
  await collect(planned, failed, 8, (step) => makeRoom(site, step, seen.get(step.slice), highs))
  const fitting = planned.filter(({ slice }) => !failed.has(slice))
  const written = fitting.filter(({ text, remove }) => text !== undefined || remove.length > 0)
  let oldWalls = before.oldWalls ?? new Map<string, readonly number[]>()
  const reloads = written.length > 0 || before.unfinished !== undefined
  if (reloads) {
    const realizing = fitting.filter(({ settle }) => settle === 'reapply').map(({ slice }) => slice)
    await writeNote(host, realizing, options)
    oldWalls = await noteOldWalls(host, fitting, before, options)
    if (before.unfinished !== undefined) await sweep(host, [...seen.keys()], options)
    await collect(written, failed, 8, async ({ remove }) => {
      for (const path of remove) await host.remove(path)
    })
    await writeDropIns(host, written, failed, options)
  }
  const steps = fitting.filter(({ slice }) => !failed.has(slice))
  if (reloads) {
    // A slice in use has its new limits now, not when systemd has read a thousand units; it will write the same ones.
    const quick = steps.filter(({ settle }) => settle === 'write')
    await enforceAll(site, quick, highs)
    await systemctl.reload()
  }
  const settling = steps.filter(({ settle }) => settle !== 'nothing')
  for (const [slice, error] of await enforceAll(site, settling, highs)) failed.set(slice, error)
  const missing = steps.some(({ walls }) => walls !== undefined)
  if (site.bpf && (reloads || missing)) await restorePortRules(site, [...seen.keys()], options)
  if (reloads) await host.remove(notePath(options))
  return { done: steps, failed, oldWalls }
}

/** Does the same for each step; what fails is that slice's own affair. */
async function collect(
  steps: readonly SliceStep[],
  failed: Map<string, CgroupError>,
  atOnce: number,
  work: (step: SliceStep) => Promise<void>,
): Promise<void> {
  await forEach(steps, atOnce, async (step) => {
    try {
      await work(step)
    } catch (error) {
      failed.set(step.slice, failureOf(step.slice, error))
    }
  })
}

function failureOf(slice: string, error: unknown): CgroupError {
  if (error instanceof CgroupError) return error
  if (!(error instanceof HostError)) throw error
  return new CgroupError('CGROUP_REFUSED', {
    operation: 'write the drop-in of',
    target: slice,
    detail: error.message,
    cause: error,
  })
}

/** systemd writes a new `memory.max` as it stands, whatever is in use: room is made before it hears of it. */
async function makeRoom(
  { cgroupfs, options }: Site,
  { slice, limits }: SliceStep,
  seen: ObservedSlice | undefined,
  highs: Map<string, string>,
) {
  const max = limits.memory?.max
  const now = seen?.limits.memory?.max
  if (seen?.busy !== true || typeof max !== 'number' || (typeof now === 'number' && now <= max)) return
  const path = slicePath(slice)
  const high = cgroupfs.read(path, 'memory.high')?.trim()
  await shrinkMemory(cgroupfs, path, max, options)
  if (high !== undefined) highs.set(slice, high)
}

/** Notes slices that systemd must be asked about, also when there are none: that the note is there means that it must reload. */
export async function writeNote(host: Host, slices: readonly string[], options: SliceOptions): Promise<void> {
  await makeRunFolder(host, options)
  await host.replace(notePath(options), slices.map((slice) => `${slice}\n`).join(''), { mode: 0o600 })
}

async function makeRunFolder(host: Host, options: SliceOptions): Promise<void> {
  const path = notePath(options)
  await host.makeFolder(path.slice(0, path.lastIndexOf('/')), { mode: 0o700 })
}

/** Whatever link of a changed wall is still there afterwards is one that systemd has lost. */
async function noteOldWalls(
  host: Host,
  steps: readonly SliceStep[],
  { slices, oldWalls }: ObservedSlices,
  options: SliceOptions,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const changing = new Set(steps.flatMap(({ slice, walls }) => (walls === 'change' ? [slice] : [])))
  if (changing.size === 0) return oldWalls ?? new Map()
  const noted = new Map(oldWalls)
  for (const { slice, walls = [] } of slices) {
    if (changing.has(slice))
      noted.set(
        slice,
        walls.map(({ id }) => id),
      )
  }
  await writeOldWalls(host, noted, options)
  return noted
}

/** Keeps the note of walls that were to go; an empty one goes. */
export async function writeOldWalls(
  host: Host,
  noted: ReadonlyMap<string, readonly number[]>,
  options: SliceOptions,
): Promise<void> {
  if (noted.size === 0) {
    await host.remove(oldWallsPath(options))
    return
  }
  await makeRunFolder(host, options)
  await host.replace(oldWallsPath(options), renderOldWalls(noted), { mode: 0o600 })
}

async function writeDropIns(
  host: Host,
  steps: readonly SliceStep[],
  failed: Map<string, CgroupError>,
  options: SliceOptions,
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

/** Takes away what a run that was ended while it wrote has left beside drop-ins. */
async function sweep(host: Host, slices: readonly string[], options: SliceOptions): Promise<void> {
  await forEach(slices, 32, async (slice) => {
    const path = dropInPath(slice, options)
    await removeUnfinished(host, path.slice(0, path.lastIndexOf('/')))
  })
}

/** @returns the names that stay. */
export async function removeUnfinished(host: Host, folder: string): Promise<readonly string[]> {
  const names = await host.list(folder)
  for (const name of names.filter(isUnfinished)) await host.remove(`${folder}/${name}`)
  return names.filter((name) => !isUnfinished(name))
}
