import type { Slot } from '@puppy/accounts'
import { firstFreePort, userSlice, type Slices, type SliceSpec } from '@puppy/cgroups'
import type { SlotToBuild, SlotVerdict, SlotVerdicts, Step } from '../facilities/facility.ts'

/** Returns the spec of a slice whose slot no account has: only port rules, which allow the slot's own ports. Pure. */
export function emptySlice({ uid, ports }: Slot): SliceSpec {
  const slice = userSlice(uid)
  const [first, last] = [ports[0] ?? 0, ports.at(-1) ?? 0]
  return { slice, limits: {}, ...(last < firstFreePort ? { portRules: { allow: [{ first, last }] } } : {}) }
}

/**
 * Sets the port rules of slices whose slots no account has. The slice of a taken slot gets them with its limits. Does nothing where
 * systemd has no BPF.
 */
export async function buildPortRules(
  slices: Slices,
  slots: readonly SlotToBuild[],
  signal: AbortSignal,
): Promise<Step<SlotVerdicts>> {
  const open = slots.filter(({ state }) => state !== 'taken').map(({ slot }) => slot)
  const spec = open.map(emptySlice)
  const observed = await slices.read(spec, { signal })
  if (!observed.systemd.bpf) return { changes: [], apply: async () => new Map() }
  const changeSet = slices.plan(spec, observed)
  return {
    changes: changeSet.changes,
    apply: async () => {
      const { results } = await slices.apply(changeSet, { signal })
      return new Map(
        open.flatMap(({ n }, index): [number, SlotVerdict][] => {
          const error = results[index]?.error
          return error === undefined ? [] : [[n, { status: 'failed', reason: 'slice_refused', message: error.message }]]
        }),
      )
    },
  }
}
