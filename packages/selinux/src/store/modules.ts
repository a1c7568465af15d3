import { createHash } from 'node:crypto'
import { SelinuxError } from '../errors.ts'

const hashLength = 12

/**
 * Returns the name of a module in the store: `puppy_slots-0a1b2c3d4e5f`. The name shows whether a text is installed.
 *
 * @throws SelinuxError `SELINUX_INVALID` for a name that is not a word of at most 40 lower-case letters, digits and `_`.
 */
export function moduleName(module: string, text: string): string {
  assertModule(module)
  return `${module}-${createHash('sha256').update(text).digest('hex').slice(0, hashLength)}`
}

/** Checks the name of a module. @throws SelinuxError `SELINUX_INVALID` */
export function assertModule(module: string): void {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(module)) return
  const detail = 'a module name begins with a letter and has at most 40 lower-case letters, digits and _'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'use the module name', target: module, detail })
}

/** Returns the module of a name in the store. Returns undefined for a module that this library did not install. */
export function moduleOf(name: string): string | undefined {
  return /^([a-z][a-z0-9_]{0,39})-[0-9a-f]{12}$/.exec(name)?.[1]
}

/** Returns whether a module declares a boolean. */
export function declares(text: string, boolean: string): boolean {
  return text.includes(`(boolean ${boolean} `)
}
