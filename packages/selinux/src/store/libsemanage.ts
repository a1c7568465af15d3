import { fileURLToPath } from 'node:url'
import type { Command, Host } from '@puppy/host'
import { programOf } from '../program.ts'
import type { PolicyChange } from './change.ts'
import { declares } from './modules.ts'

const script = fileURLToPath(new URL('transaction.py', import.meta.url))

export interface RequestOptions {
  /** The folder that is used as `/`. */
  readonly root: string
  readonly type: string
  readonly reload: boolean
  /** Returns the path of the text of a module, as the tools of the machine see it. */
  readonly fileOf: (name: string) => string
}

/**
 * Renders changes as the request of the script, which makes them in one transaction. No tool can change modules and booleans together.
 * Pure.
 */
export function renderRequest(
  changes: readonly PolicyChange[],
  { root, type, reload, fileOf }: RequestOptions,
): string {
  const named = (action: 'remove' | 'enable' | 'disable') =>
    changes.flatMap((change) => (change.action === action ? [change.name] : []))
  const installs = changes.flatMap((change) => (change.action === 'install' ? [change] : []))
  const sets = changes.flatMap((change) => (change.action === 'set' ? [change] : []))
  const dontaudit = changes.find(({ action }) => action === 'log' || action === 'silence')?.action
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
    silent: dontaudit === undefined ? null : dontaudit === 'silence',
  })
}

const numbers = { true: 1, false: 0, default: null } as const

/** Returns the command that makes the changes of a request file. @throws SelinuxError `SELINUX_NOT_INSTALLED` without Python. */
export function libraryCommand(host: Host, request: string): Command {
  // -I (isolated): Python searches neither the folder of the script nor modules of the user.
  return [programOf(host, 'python3'), '-I', script, request]
}

/** Returns a command that succeeds where libsemanage can be used from Python. Returns undefined without Python. */
export function libraryCheck(host: Host): Command | undefined {
  const python = host.program('python3')
  return python === undefined ? undefined : [python, '-I', '-c', 'import selinux, semanage']
}

/**
 * Parses the values of booleans in the policy after the transaction:
 *
 *     boolean httpd_can_network_connect 1
 */
export function parseValues(stdout: string): Readonly<Record<string, boolean>> {
  const found = [...stdout.matchAll(/(?<![^\n])boolean ([A-Za-z0-9_]+) ([01])(?=\n|$)/g)]
  return Object.fromEntries(found.map(([, name = '', value]) => [name, value === '1']))
}
