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

/** What applying a change set, or `ensure`, did. `results` has one result for each item of the spec, in its order. */
export type AppliedSlices = Applied<SliceResult, SliceChange>

/**
 * Limits of systemd's slices. They hold before the first login, on a slice in use, and after a reboot.
 *
 * It takes no lock: a caller with several processes holds one of `Host`.
 */
export interface Slices extends Facility<
  readonly SliceSpec[],
  ObservedSlices,
  SliceChangeSet,
  SliceResult,
  CgroupProbe
> {
  /** Finds out whether slices can be limited, and may have port rules. Never throws. */
  probe(options?: EffectOptions): Promise<CgroupProbe>

  /**
   * Reads drop-ins, what others have set, and the kernel's files of these slices. Changes nothing. Which systemd runs the machine is
   * read once, and again by `probe`.
   *
   * @throws CgroupError `CGROUP_UNSUPPORTED` without systemd 252 or cgroup v2.
   */
  read(spec: readonly SliceSpec[], options?: EffectOptions): Promise<ObservedSlices>

  /** Returns the changes that make slices as the spec says. Pure: `planSlices`. */
  plan(spec: readonly SliceSpec[], observed: ObservedSlices): SliceChangeSet

  /**
   * Performs the changes, however many, with one `daemon-reload`, and reads back what the kernel has.
   *
   * Writes `/etc/systemd/system/SLICE.d/50-puppy.conf`, only where it differs; a slice in use gets its limits at once. It removes what
   * `systemctl set-property` has set against the drop-in, repairs what was written to the kernel's files, and attaches port rules
   * again that systemd has detached. A slice that fails is `refused` and does not disturb the others. Needs root.
   *
   * @throws CgroupError `CGROUP_UNSUPPORTED`; `CGROUP_REFUSED`, `CGROUP_TIMEOUT` when systemd does not reload. HostError.
   */
  apply(changeSet: SliceChangeSet, options?: ShrinkOptions): Promise<AppliedSlices>

  /**
   * Reads, plans and applies. When a slice was changed by another process meanwhile (`CGROUP_CONFLICT`) it does so again, three times
   * at the most.
   */
  ensure(spec: readonly SliceSpec[], options?: ShrinkOptions): Promise<AppliedSlices>

  /**
   * Removes our drop-ins, with one `daemon-reload`. Slices in use get systemd's defaults. It is no error when there are none.
   *
   * @throws CgroupError `CGROUP_INVALID` for a name that is no slice, and as `apply`.
   */
  remove(slices: readonly string[], options?: EffectOptions): Promise<{ readonly changed: boolean }>
}

/** Options with their defaults. */
type Fixed = SlicesOptions & Pick<Site, 'cgroupfs'>

/** Opens the slices of a machine that systemd runs. Nothing is read yet. */
export function openSlices(host: Host, options: SlicesOptions = {}): Slices {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const fixed = { ...options, cgroupfs }
  // Kept from one call to the next: reading runs nothing but for the first time.
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

/** Results of a change set: by what was read back, or without steps by what was observed. */
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
  // systemd writes everything that it has when one property is set: here its defaults.
  await mapLimit(busy, 4, ({ slice }) => reapply(site, slice, ''))
  if (site.bpf) await restorePortRules(site, names, options)
  await host.remove(notePath(options))
  return { changed: ours.length > 0 }
}
