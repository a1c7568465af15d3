import type { ObservedPolicy } from '../../src/store/read-store.ts'

/** A store as it is read, with these modules and nothing else. */
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
