import { fileURLToPath } from 'node:url'
import type { Command, Host } from '@puppy/host'
import { programOf } from '../program.ts'
import { declares, type PolicyChange } from './plan.ts'

const script = fileURLToPath(new URL('transaction.py', import.meta.url))

export interface RequestOptions {
  /** The folder that stands for `/`. */
  readonly root: string
  readonly type: string
  readonly reload: boolean
  /** Where a module's text is, as the machine sees it. */
  readonly fileOf: (name: string) => string
}

/** Renders what the script is to do: a plan, for what no tool does in one transaction, modules and booleans together. Pure. */
export function renderRequest(
  changes: readonly PolicyChange[],
  { root, type, reload, fileOf }: RequestOptions,
): string {
  const named = (action: 'remove' | 'enable' | 'disable') =>
    changes.flatMap((change) => (change.action === action ? [change.name] : []))
  const installs = changes.flatMap((change) => (change.action === 'install' ? [change] : []))
  const sets = changes.flatMap((change) => (change.action === 'set' ? [change] : []))
  const [dontaudit] = changes.flatMap((change) => (change.action === 'dontaudit' ? [change.value] : []))
  return JSON.stringify({
    root,
    type,
    reload: reload ? 1 : 0,
    remove: named('remove'),
    install: installs.map(({ name }) => fileOf(name)),
    enable: named('enable'),
    disable: named('disable'),
    booleans: Object.fromEntries(sets.map(({ boolean, value }) => [boolean, numbers[`${value}`]])),
    declared: sets.flatMap(({ boolean }) => (installs.some(({ text }) => declares(text, boolean)) ? [boolean] : [])),
    rebuild: changes.some(({ action }) => action === 'rebuild'),
    silent: dontaudit === undefined ? null : dontaudit === 'silent',
  })
}

const numbers = { true: 1, false: 0, default: null } as const

/** The command that does what a file says. @throws SelinuxError `SELINUX_NOT_INSTALLED` without a Python. */
export function libraryCommand(host: Host, request: string): Command {
  // Isolated: neither the folder of the script nor the user's own modules are looked into.
  return [programOf(host, 'python3', 'commit the policy'), '-I', script, request]
}

/**
 * Reads what the policy has for booleans after the transaction:
 *
 *     boolean httpd_can_network_connect 1
 */
export function parseValues(stdout: string): Readonly<Record<string, boolean>> {
  const found = [...stdout.matchAll(/^boolean ([A-Za-z0-9_]+) ([01])$/gm)]
  return Object.fromEntries(found.map(([, name = '', value]) => [name, value === '1']))
}
