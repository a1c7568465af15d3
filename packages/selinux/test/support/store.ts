import type { StoreObservation } from '../../src/store/observe.ts'

/** A store as it is read, with these modules of ours and nothing else to say of it. */
export function seenStore(modules: readonly string[] = [], more: Partial<StoreObservation> = {}): StoreObservation {
  return {
    type: 'default',
    modules,
    disabled: [],
    booleans: {},
    dontaudit: 'silent',
    empty: [],
    interrupted: false,
    ...more,
  }
}
