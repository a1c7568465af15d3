import { createHash } from 'node:crypto'
import { SelinuxError } from '../errors.ts'

const hashLength = 12

/**
 * The name that a module has in the store: `puppy_slots-0a1b2c3d4e5f`.
 *
 * Whoever lists the store knows by it whether the content is as wanted.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a name that is no plain word of at most 40 letters, digits and `_`.
 */
export function moduleName(module: string, text: string): string {
  assertModule(module)
  return `${module}-${createHash('sha256').update(text).digest('hex').slice(0, hashLength)}`
}

/** @throws SelinuxError `SELINUX_INVALID` */
export function assertModule(module: string): void {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(module)) return
  const detail = 'names of modules are small letters, digits and _, at most 40'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'name the module', value: module, detail })
}

/** The module of ours that a name in the store is of; undefined for somebody else's. */
export function moduleOf(name: string): string | undefined {
  return /^([a-z][a-z0-9_]{0,39})-[0-9a-f]{12}$/.exec(name)?.[1]
}
