import type { PolicyChange } from './change.ts'
import { dontauditSwitch, setting } from './plan.ts'
import type { ObservedPolicy } from './read-store.ts'

/**
 * Plans the changes that revert a list of changes. Pure. Repairs and rebuilds are not reverted.
 *
 * @param observed the policy before the changes
 * @param textOf returns the text of a previous module by its name in the store
 * @returns undefined when the text of a previous module is missing.
 */
export function planRevert(
  changes: readonly PolicyChange[],
  observed: ObservedPolicy,
  textOf: (name: string) => string | undefined,
): readonly PolicyChange[] | undefined {
  const back: PolicyChange[] = []
  for (const change of changes) {
    switch (change.action) {
      case 'install': {
        const { text: _, after, ...rest } = change
        back.push({ ...rest, action: 'remove', ...(after === undefined ? {} : { before: after }) })
        break
      }
      case 'enable':
        back.push({ ...change, action: 'disable' })
        break
      case 'disable':
        back.push({ ...change, action: 'enable' })
        break
      case 'log':
      case 'silence':
        back.push(dontauditSwitch(observed.dontaudit, observed.type))
        break
      case 'set':
        back.push(setting(change.boolean, change.value, change.from))
        break
      case 'load':
        back.push({ ...change, value: !change.value })
        break
      case 'remove': {
        const text = textOf(change.name)
        if (text === undefined) return undefined
        back.push({ ...change, action: 'install', text })
        break
      }
      case 'rebuild':
      case 'repair':
        break
    }
  }
  return back
}
