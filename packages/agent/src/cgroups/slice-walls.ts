import type { Slot } from '@puppy/accounts'
import {
  CgroupError,
  ensureSlices,
  planSlices,
  readSlices,
  userSlice,
  type ObservedSlices,
  type SliceOptions,
  type SliceStep,
  type WantedSlice,
} from '@puppy/cgroups'
import type { Host } from '@puppy/host'
import type { SlotToBuild, SlotVerdict, SlotVerdicts, Step } from '../facilities/facility.ts'

/** The first port that anybody may get by chance, which is nobody's to forbid. */
const firstFreePort = 32_768

/** The slice of a slot, with walls for its ports. */
export function walled({ uid, ports }: Slot): WantedSlice {
  const slice = userSlice(uid)
  const [first, last] = [ports[0] ?? 0, ports.at(-1) ?? 0]
  return { slice, limits: {}, ...(last < firstFreePort ? { bind: { allow: [{ first, last }] } } : {}) }
}

/** Slots that nobody has: their slices get the walls alone. A taken one gets them with its limits. */
export async function buildWalls(
  host: Host,
  slots: readonly SlotToBuild[],
  options: SliceOptions & { readonly signal: AbortSignal },
): Promise<Step<SlotVerdicts>> {
  const open = slots.filter(({ state }) => state !== 'taken').map(({ slot }) => slot)
  const wanted = open.map(walled)
  const slices = wanted.map(({ slice }) => slice)
  return {
    changes: planEach(wanted, await readSlices(host, slices, options)).flatMap(({ changes }) => changes),
    apply: async () => {
      const { results } = await ensureSlices(host, wanted, options)
      return new Map(
        open.flatMap(({ n }, index): [number, SlotVerdict][] => {
          const { status, error } = results[index] ?? { status: 'refused' }
          if (status !== 'refused') return []
          return [[n, { status: 'failed', reason: 'slice_refused', message: error?.message ?? 'its slice is refused' }]]
        }),
      )
    },
  }
}

/** One at a time: a plan that makes no sense is refused for its accounts by `ensureSlices`, and the others go on. */
export function planEach(wanted: readonly WantedSlice[], observed: ObservedSlices): readonly SliceStep[] {
  return wanted.flatMap((one) => {
    try {
      return planSlices([one], observed)
    } catch (error) {
      if (error instanceof CgroupError) return []
      throw error
    }
  })
}
