import type { ObservedPolicy } from '../../src/store/read-store.ts'

/** Returns an observed store with only these modules. */
export function observedStore(modules: readonly string[] = [], more: Partial<ObservedPolicy> = {}): ObservedPolicy {
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
