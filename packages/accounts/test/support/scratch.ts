import { createHost, type Host } from '@puppy/host'
import type { Test } from 'tap'
import { defaultLayout, slotAt, type Slot, type SlotLayout } from '../../src/index.ts'

/** Returns why a test that creates users below a scratch root cannot run here, or false. */
export function whyNot(...programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root to set the owner of files'
  const missing = programs.filter((name) => createHost().program(name) === undefined)
  return missing.length === 0 ? false : `${missing.join(', ')} is not installed`
}

export interface Scratch {
  readonly host: Host
  readonly layout: SlotLayout
  readonly slots: readonly Slot[]
  /** A folder beside the root, with a file `precious` that must not be removed. */
  readonly outside: string
}

/** Creates a host that is only a folder, with a skeleton. */
export function scratch(t: Test, count: number, files: Readonly<Record<string, string>> = {}): Scratch {
  const root = { etc: { skel: { '.profile': '# profile\n' }, ...files }, tmp: {}, var: { tmp: {}, mail: {} } }
  const folder = t.testdir({ root, outside: { precious: 'kept' } })
  const slots = Array.from({ length: count }, (_, n) => slotAt(defaultLayout, n))
  return { host: createHost({ root: `${folder}/root` }), layout: defaultLayout, slots, outside: `${folder}/outside` }
}

export const someKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN0QMC3+TXDUdzbOXjbKkRTi0ns1iX4i1ttTvTEIyrnC'
