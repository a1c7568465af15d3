import { mapLimit, type Applied, type EffectOptions, type Facility, type Host } from '@puppy/host'
import { openCgroupfs } from '../cgroupfs/cgroupfs.ts'
import type { ShrinkOptions } from '../cgroupfs/shrink-memory.ts'
import { ensureSpec } from '../ensure.ts'
import { namesDevices } from '../limits/device.ts'
import { probeSlices, requireSystemd, type CgroupProbe, type SystemdVersion } from '../probe.ts'
import { slicePath } from '../unit.ts'
import { applySteps, removeUnfinished, writeNote, type AppliedSteps, type Site } from './apply.ts'
import { reapply } from './enforce.ts'
import { readSlices, type ObservedSlice, type ObservedSlices } from './observe.ts'
import { dropInPath, notePath, type SlicesOptions } from './paths.ts'
import { planSlices, type SliceChange, type SliceChangeSet } from './plan.ts'
import { restorePortRules } from './restore-port-rules.ts'
import { resultOf, type SliceResult } from './result.ts'
import type { SliceSpec } from './spec.ts'
import { openSystemctl } from './systemctl.ts'

/** The result of `apply` or `ensure`. `results` has one result for each item of the spec, in the same order. */
export type AppliedSlices = Applied<SliceResult, SliceChange>

/**
 * The limits of systemd slices. They apply from the first login on, to a slice in use, and after a reboot.
 *
 * Takes no lock. A caller with several processes must hold a lock of `Host`.
 */
export interface Slices extends Facility<
  readonly SliceSpec[],
  ObservedSlices,
  SliceChangeSet,
  SliceResult,
  CgroupProbe
> {
  /** Checks whether slices can be limited and can have port rules. Never throws. */
  probe(options?: EffectOptions): Promise<CgroupProbe>

  /**
   * Reads our drop-ins, foreign settings and the kernel's files of these slices. Changes nothing. Reads the version of systemd only once.
   * `probe` reads it again.
   *
   * @throws CgroupError `CGROUP_UNSUPPORTED` without systemd 252 or later, or without cgroup v2.
   */
  read(spec: readonly SliceSpec[], options?: EffectOptions): Promise<ObservedSlices>

  /** Plans the changes that the spec requires. Pure. The same function as `planSlices`. */
  plan(spec: readonly SliceSpec[], observed: ObservedSlices): SliceChangeSet

  /**
   * Performs any number of changes with one `daemon-reload`, and reads the limits back from the kernel. Needs root.
   *
   * Writes `/etc/systemd/system/SLICE.d/50-puppy.conf` where it differs. A slice in use gets its limits at once. Removes files of
   * `systemctl set-property` that contradict the drop-in. Repairs limits that another program wrote to the kernel's files. Attaches port
   * rules that systemd detached. A slice that fails has the status `refused` and does not affect the other slices.
   *
   * @throws CgroupError `CGROUP_UNSUPPORTED`; `CGROUP_REFUSED`, `CGROUP_TIMEOUT` when systemd does not reload. HostError.
   */
  apply(changeSet: SliceChangeSet, options?: ShrinkOptions): Promise<AppliedSlices>

  /**
   * Reads, plans and applies. Tries again when another process changed a slice meanwhile (`CGROUP_CONFLICT`), at most three times in all.
   */
  ensure(spec: readonly SliceSpec[], options?: ShrinkOptions): Promise<AppliedSlices>

  /**
   * Removes our drop-ins with one `daemon-reload`. Slices in use get the defaults of systemd. Does nothing when no drop-in exists.
   *
   * @throws CgroupError `CGROUP_INVALID` for an invalid name of a slice, otherwise as `apply`.
   */
  remove(slices: readonly string[], options?: EffectOptions): Promise<{ readonly changed: boolean }>
}

/** Options with their defaults. */
type Fixed = SlicesOptions & Pick<Site, 'cgroupfs'>

/** Opens the slices of a machine with systemd. Reads nothing yet. */
export function openSlices(host: Host, options: SlicesOptions = {}): Slices {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const fixed = { ...options, cgroupfs }
  // Cached, so that only the first read runs a program.
  let systemd: SystemdVersion | undefined
  const read = async (spec: readonly SliceSpec[], effect: EffectOptions = {}) => {
    systemd ??= await requireSystemd(host, { ...effect, cgroupfs })
    const devices = spec.some(({ limits }) => namesDevices(limits))
    return readSlices(
      host,
      spec.map(({ slice }) => slice),
      { ...fixed, systemd, devices },
    )
  }
  const apply = async (changeSet: SliceChangeSet, effect: ShrinkOptions = {}): Promise<AppliedSlices> => {
    const { changes, observed } = changeSet
    effect.signal?.throwIfAborted()
    if (changes.length === 0) return { changed: false, changes, results: resultsOf(changeSet) }
    const site = await openSite(host, fixed, effect, observed.systemd.bpf)
    return { changed: true, changes, results: resultsOf(changeSet, await applySteps(site, changeSet)) }
  }
  const ensure = (spec: readonly SliceSpec[], effect: ShrinkOptions = {}): Promise<AppliedSlices> =>
    ensureSpec(async () => apply(planSlices(spec, await read(spec, effect)), effect))
  return Object.freeze<Slices>({
    probe: async (effect = {}) => {
      const found = await probeSlices(host, { ...effect, cgroupfs })
      systemd = found.works ? found.systemd : undefined
      return found
    },
    read,
    plan: planSlices,
    apply,
    ensure,
    remove: async (slices, effect = {}) =>
      removeSlices(host, slices, { ...fixed, systemd: await requireSystemd(host, { ...effect, cgroupfs }) }, effect),
  })
}

/** Returns the results of a change set. They come from the values that were read back or, without steps, from the observation. */
function resultsOf(changeSet: SliceChangeSet, applied?: AppliedSteps): readonly SliceResult[] {
  const { spec, valid, refused, observed } = changeSet
  const seen = applied?.slices ?? new Map<string, ObservedSlice>(observed.slices.map((one) => [one.slice, one]))
  const errors = new Map([...refused.map(({ target, error }) => [target, error] as const), ...(applied?.failed ?? [])])
  const resolved = new Map(valid.map(({ slice, limits }) => [slice, limits]))
  return spec.map((item) => {
    const [step, error] = [applied?.steps.get(item.slice), errors.get(item.slice)]
    return resultOf(
      { ...item, limits: resolved.get(item.slice) ?? {} },
      {
        seen: seen.get(item.slice),
        oldLinks: (applied ?? observed).oldLinks.get(item.slice) ?? [],
        bpf: observed.systemd.bpf,
        ...(step === undefined ? {} : { step }),
        ...(error === undefined ? {} : { error }),
      },
    )
  })
}

async function openSite(host: Host, options: Fixed, effect: ShrinkOptions, bpf: boolean): Promise<Site> {
  const { cgroupfs } = options
  return { host, cgroupfs, options, effect, systemctl: await openSystemctl(host, effect), bpf }
}

async function removeSlices(
  host: Host,
  names: readonly string[],
  options: Fixed & Pick<ObservedSlices, 'systemd'>,
  effect: EffectOptions,
): Promise<{ readonly changed: boolean }> {
  for (const name of names) slicePath(name)
  const { slices, unfinished, systemd } = await readSlices(host, names, options)
  const ours = slices.filter(({ text }) => text !== undefined)
  if (ours.length === 0 && unfinished === undefined) return { changed: false }
  const site = await openSite(host, options, effect, systemd.bpf)
  const busy = slices.filter((one) => one.busy && (one.text !== undefined || unfinished?.includes(one.slice) === true))
  await writeNote(host, [...(unfinished ?? []), ...busy.map(({ slice }) => slice)], options)
  await mapLimit(ours, 32, async ({ slice }) => {
    const path = dropInPath(slice, options)
    const folder = path.slice(0, path.lastIndexOf('/'))
    await host.remove(path)
    if ((await removeUnfinished(host, folder)).length === 0) await host.remove(folder)
  })
  await site.systemctl.reload()
  // Setting one property makes systemd write all values that it has for the slice, which are now its defaults.
  await mapLimit(busy, 4, ({ slice }) => reapply(site, slice, ''))
  if (site.bpf) await restorePortRules(site, names, options)
  await host.remove(notePath(options))
  return { changed: ours.length > 0 }
}
