import type { Refused } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { assertBoolean, noBoolean } from './booleans.ts'
import type { PolicyChange, PolicyChangeSet } from './change.ts'
import { assertModule, declares, moduleName, moduleOf } from './modules.ts'
import { storePaths } from './paths.ts'
import type { ObservedPolicy } from './read-store.ts'
import { booleanTarget, dontauditTarget, moduleTarget, type BooleanValue, type PolicySpec } from './spec.ts'

type RefusedItem = Refused<SelinuxError>

const facility = 'selinux'

/**
 * Plans the changes that make a policy match a spec. Pure. Applying a change set without changes needs no process.
 *
 * Only items that the spec names are compared. An invalid item is `refused` with `SELINUX_INVALID`: an invalid name, a module that the
 * spec both installs and removes, and a boolean that neither the loaded policy nor a module of the spec has.
 */
export function planPolicy(spec: PolicySpec, observed: ObservedPolicy): PolicyChangeSet {
  const refused: RefusedItem[] = []
  const item = (target: string, plan: () => readonly PolicyChange[]): readonly PolicyChange[] => {
    try {
      return plan()
    } catch (error) {
      if (!(error instanceof SelinuxError)) throw error
      refused.push({ target, error })
      return []
    }
  }
  const { modules = {}, remove = [], booleans = {} } = spec
  const removed = [...new Set(remove)].filter((module) => !Object.hasOwn(modules, module))
  const changes = [
    ...mending(observed),
    ...removed.flatMap((module) => item(moduleTarget(module), () => removal(module, observed))),
    ...Object.keys(modules).flatMap((module) => item(moduleTarget(module), () => installation(module, spec, observed))),
    ...Object.entries(booleans).flatMap(([name, value]) =>
      item(booleanTarget(name), () => booleanChange(name, value, { spec, observed })),
    ),
    ...dontauditChange(spec, observed),
  ]
  return { spec, observed, changes, refused }
}

/** Returns the changes that repair the effects of a power failure or a killed transaction. */
function mending({ type, empty, interrupted, dontaudit }: ObservedPolicy): readonly PolicyChange[] {
  const { store, active, previous } = storePaths(type)
  const command = `semodule -s ${type} ${dontaudit === 'logged' ? '-DB' : '-B'}`
  const repair: PolicyChange = {
    facility,
    target: `store ${store}`,
    action: 'repair',
    after: 'the store before the interrupted transaction',
    command: `mv -T ${previous} ${active}`,
  }
  return [
    ...(interrupted ? [repair] : []),
    ...empty.map((path): PolicyChange => ({ facility, target: `file ${path}`, action: 'rebuild', command })),
  ]
}

function removal(module: string, observed: ObservedPolicy): readonly PolicyChange[] {
  assertModule(module)
  return stale(module, observed)
}

/** Returns the changes that remove every version of a module except one. */
function stale(module: string, { modules, type }: ObservedPolicy, keep?: string): readonly PolicyChange[] {
  return modules
    .filter((name) => name !== keep && moduleOf(name) === module)
    .map((name): PolicyChange => {
      const command = `semodule -s ${type} -X 400 -r ${name}`
      return { facility, target: moduleTarget(module), action: 'remove', before: name, command, module, name }
    })
}

function installation(module: string, spec: PolicySpec, observed: ObservedPolicy): readonly PolicyChange[] {
  if (spec.remove?.includes(module) === true) {
    const detail = 'the spec both installs and removes the module'
    throw new SelinuxError('SELINUX_INVALID', { operation: 'plan the module', target: module, detail })
  }
  const text = spec.modules?.[module] ?? ''
  const [name, target] = [moduleName(module, text), moduleTarget(module)]
  const install: PolicyChange = { facility, target, action: 'install', after: name, module, name, text }
  const command = `semodule -s ${observed.type} -X 400 -e ${name}`
  const enable: PolicyChange = { facility, target, action: 'enable', after: name, command, module, name }
  return [
    ...stale(module, observed, name),
    ...(observed.modules.includes(name) ? [] : [install]),
    ...(observed.disabled.includes(name) ? [enable] : []),
  ]
}

function booleanChange(
  name: string,
  value: BooleanValue,
  { spec, observed }: { readonly spec: PolicySpec; readonly observed: ObservedPolicy },
): readonly PolicyChange[] {
  assertBoolean(name)
  const from = observed.booleans[name] ?? 'default'
  const loaded = observed.loaded?.[name]
  const declared = Object.values(spec.modules ?? {}).some((text) => declares(text, name))
  if (observed.loaded !== undefined && loaded === undefined && value !== 'default' && !declared) throw noBoolean(name)
  if (from !== value) return [setting(name, from, value)]
  if (value === 'default' || loaded === undefined || loaded === value) return []
  const command = `setsebool ${name}=${Number(value)}`
  const words = { before: renderValue(loaded), after: renderValue(value) }
  return [{ facility, target: booleanTarget(name), action: 'load', ...words, command, boolean: name, value }]
}

/** Returns the change that sets a boolean to another value in the store. */
export function setting(boolean: string, from: BooleanValue, value: BooleanValue): PolicyChange {
  const command =
    value === 'default' ? `semanage boolean --delete ${boolean}` : `setsebool -P ${boolean}=${Number(value)}`
  const words = { before: renderValue(from), after: renderValue(value) }
  return { facility, target: booleanTarget(boolean), action: 'set', ...words, command, boolean, from, value }
}

/** Renders a value in the words of getsebool(8). */
function renderValue(value: BooleanValue): string {
  if (value === 'default') return value
  return value ? 'on' : 'off'
}

function dontauditChange({ dontaudit }: PolicySpec, observed: ObservedPolicy): readonly PolicyChange[] {
  return dontaudit === undefined || dontaudit === observed.dontaudit ? [] : [dontauditSwitch(dontaudit, observed.type)]
}

/** Returns the change that logs hidden denials or hides them again. */
export function dontauditSwitch(dontaudit: PolicySpec['dontaudit'], type: string): PolicyChange {
  const logs = dontaudit === 'logged'
  const words = logs ? { before: 'silent', after: 'logged' } : { before: 'logged', after: 'silent' }
  const command = `semodule -s ${type} ${logs ? '-DB' : '-B'}`
  return { facility, target: dontauditTarget, action: logs ? 'log' : 'silence', ...words, command }
}
