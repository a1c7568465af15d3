import type { Host } from '@puppy/host'
import { openCgroupfs } from '../cgroupfs/cgroupfs.ts'
import { probe } from '../probe.ts'
import { carryOut, removeUnfinished, writeNote, writeOldWalls, type EnsureOptions, type Site } from './apply.ts'
import { forEach } from './each.ts'
import { dropInPath, notePath, readSlices, readTree, type ObservedSlice, type ObservedSlices } from './observe.ts'
import { planSlices, type SliceChange, type SliceStep, type SliceSpec } from './plan.ts'
import { restorePortRules } from './restore-port-rules.ts'
import { resultOf, type SliceResult } from './result.ts'
import { reapply } from './enforce.ts'
import { openSystemctl } from './systemctl.ts'
import { requireSystemd, partition } from './partition.ts'

export interface EnsuredSlices {
  readonly changed: boolean
  readonly changes: readonly SliceChange[]
  /** One for each wanted slice, in their order. */
  readonly results: readonly SliceResult[]
}

/**
 * Makes slices have these limits, however many, with one `daemon-reload`, and reads back what the kernel has.
 *
 * Writes `/etc/systemd/system/SLICE.d/50-puppy.conf`, only where it differs, so limits hold before the first login and after a
 * reboot; a slice in use gets them at once. What somebody has set against it by `systemctl set-property` is removed, what was
 * written to the kernel's files is written anew, and walls that systemd has let go of are put back. A slice that cannot be as wanted
 * is `refused` and does not disturb the others. When nothing differs nothing is run. Needs root. Whoever calls it from several
 * processes holds a lock of `Host`.
 *
 * @throws CgroupError `CGROUP_UNSUPPORTED` without systemd 252 or cgroup v2, `CGROUP_REFUSED`, `CGROUP_TIMEOUT` when systemd does not reload.
 */
export async function ensureSlices(
  host: Host,
  wanted: readonly SliceSpec[],
  options: EnsureOptions = {},
): Promise<EnsuredSlices> {
  const systemd = await requireSystemd(host, options.cgroupfs)
  const site = await openSite(host, options, systemd.bpf)
  const { good, bad } = await partition(host, wanted, systemd)
  const before = await readSlices(
    host,
    good.map(({ slice }) => slice),
    site.options,
  )
  const { done, failed, oldWalls } = await carryOut(site, planSlices(good, before), before)
  const after = done.length === 0 ? before.slices : await readAfter(site, before, done)
  const seen = new Map(after.map((one) => [one.slice, one]))
  const changed = new Set(done.map(({ slice }) => slice))
  const old = await forgetWalls(site, oldWalls, seen)
  const resolved = new Map(good.map(({ slice, limits }) => [slice, limits]))
  const results = wanted.map((one) =>
    resultOf(
      { ...one, limits: resolved.get(one.slice) ?? {} },
      {
        seen: seen.get(one.slice),
        changed: changed.has(one.slice),
        error: bad.get(one.slice) ?? failed.get(one.slice),
        old: old.get(one.slice) ?? [],
        bpf: systemd.bpf,
      },
    ),
  )
  return { changed: done.length > 0, changes: done.flatMap(({ changes }) => changes), results }
}

/** Takes our drop-ins away, with one `daemon-reload`; slices in use get systemd's defaults. It is no error when there are none. */
export async function removeSlices(
  host: Host,
  slices: readonly string[],
  options: EnsureOptions = {},
): Promise<{ readonly changed: boolean }> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const observed = await readSlices(host, slices, { ...options, cgroupfs })
  const ours = observed.slices.filter(({ text }) => text !== undefined)
  if (ours.length === 0 && observed.unfinished === undefined) return { changed: false }
  const { systemd } = await probe(host, { cgroupfs })
  const site = await openSite(host, options, systemd?.bpf === true)
  const busy = observed.slices.filter(
    (one) => one.busy && (one.text !== undefined || observed.unfinished?.includes(one.slice) === true),
  )
  await writeNote(host, [...(observed.unfinished ?? []), ...busy.map(({ slice }) => slice)], options)
  await forEach(ours, 32, async ({ slice }) => {
    const path = dropInPath(slice, options)
    const folder = path.slice(0, path.lastIndexOf('/'))
    await host.remove(path)
    if ((await removeUnfinished(host, folder)).length === 0) await host.remove(folder)
  })
  await site.systemctl.reload()
  // An empty weight is the default, which it is already; what counts is that systemd writes all the others, too.
  await forEach(busy, 4, ({ slice }) => reapply(site, slice, ''))
  if (site.bpf) await restorePortRules(site, slices, options)
  await host.remove(notePath(options))
  return { changed: ours.length > 0 }
}

async function openSite(host: Host, options: EnsureOptions, bpf: boolean): Promise<Site> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const effect = options.signal === undefined ? {} : { signal: options.signal }
  return { host, cgroupfs, options: { ...options, cgroupfs }, systemctl: await openSystemctl(host, effect), bpf }
}

/** Of walls that were to go only those stay noted that stand. */
async function forgetWalls(
  { host, options }: Site,
  noted: ReadonlyMap<string, readonly number[]>,
  seen: ReadonlyMap<string, ObservedSlice>,
): Promise<ReadonlyMap<string, readonly number[]>> {
  if (noted.size === 0) return noted
  const left = new Map(
    [...noted].flatMap(([slice, ids]): [string, readonly number[]][] => {
      const now = seen.get(slice)
      if (now === undefined || (now.busy && now.walls === undefined)) return [[slice, ids]]
      const standing = ids.filter((id) => now.walls?.some((link) => link.id === id))
      return standing.length === 0 ? [] : [[slice, standing]]
    }),
  )
  await writeOldWalls(host, left, options)
  return left
}

/** Reads the kernel again. Of the files we know what we have changed. */
async function readAfter(
  { host, cgroupfs }: Site,
  before: ObservedSlices,
  done: readonly SliceStep[],
): Promise<readonly ObservedSlice[]> {
  const steps = new Map(done.map((step) => [step.slice, step]))
  const files = before.slices.map(({ slice, text, foreign }) => {
    const step = steps.get(slice)
    const now = step?.text ?? text
    const left = step === undefined ? foreign : foreign.filter(({ path }) => !step.remove.includes(path))
    return { slice, foreign: left, ...(now === undefined ? {} : { text: now }) }
  })
  return readTree(host, cgroupfs, files)
}
