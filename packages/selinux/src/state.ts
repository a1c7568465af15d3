import { findTool, installStep, type Host } from '@puppy/host'
import { SelinuxError } from './errors.ts'

/** The mode of SELinux: off, log denials without enforcing them, or enforce them. */
export type SelinuxMode = 'disabled' | 'permissive' | 'enforcing'

/** The state of SELinux on a machine. When SELinux is off, a policy may still be installed. */
export type SelinuxState = DisabledState | EnabledState

export interface DisabledState {
  readonly mode: 'disabled'
  /** The policy in `/etc/selinux/config`. */
  readonly type?: string
  /** The mode at the next boot according to `/etc/selinux/config`, if SELinux is then on in the kernel. */
  readonly configured?: SelinuxMode
}

export interface EnabledState {
  readonly mode: 'permissive' | 'enforcing'
  /** The policy in `/etc/selinux/config`: `default`, `targeted`, … */
  readonly type?: string
  /** The mode at the next boot according to `/etc/selinux/config`. */
  readonly configured?: SelinuxMode
  /** Whether contexts have levels. */
  readonly mls: boolean
  /** The highest version of a binary policy that the kernel accepts. */
  readonly policyVersion: number
}

/** The folder in which the kernel exposes SELinux. */
export const selinuxfs = '/sys/fs/selinux'

/** The file with the mode and the policy for the next boot. @see selinux_config(5) */
export const configFile = '/etc/selinux/config'

/**
 * Reads the state of SELinux. `disabled` is a result, not an error.
 *
 * @throws SelinuxError `SELINUX_UNREADABLE` for files of the kernel in an unknown form; HostError `HOST_READ_FAILED`.
 */
export async function readState(host: Host): Promise<SelinuxState> {
  const [enforce, mls, version, config] = await Promise.all([
    host.read(`${selinuxfs}/enforce`),
    host.read(`${selinuxfs}/mls`),
    host.read(`${selinuxfs}/policyvers`),
    host.read(configFile),
  ])
  const { type, mode: configured } = parseConfig(config)
  const named = { ...(type === undefined ? {} : { type }), ...(configured === undefined ? {} : { configured }) }
  if (enforce === undefined) return Object.freeze({ mode: 'disabled', ...named })
  return Object.freeze({
    mode: numberIn('enforce', enforce) === 1 ? 'enforcing' : 'permissive',
    ...named,
    mls: numberIn('mls', mls) === 1,
    policyVersion: numberIn('policyvers', version),
  })
}

function numberIn(file: string, text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}\n?$/.test(text)) return Number(text)
  throw new SelinuxError('SELINUX_UNREADABLE', {
    operation: 'read',
    target: `${selinuxfs}/${file}`,
    value: text ?? 'nothing',
    detail: 'the file should contain a number',
  })
}

/**
 * Parses selinux_config(5) as libselinux does: `SELINUX=enforcing`, `SELINUXTYPE=default`.
 *
 * The mode is in the first line that begins with `SELINUX=` and a mode, whatever follows. The type is in the last line with a type, and
 * `targeted` without one. A type that cannot be the name of a folder is left out. Without a file, both are absent.
 */
export function parseConfig(text: string | undefined): { readonly type?: string; readonly mode?: SelinuxMode } {
  if (text === undefined) return {}
  // libselinux reads each line as a text that ends at a NUL.
  const lines = text.split('\n').map((line) => line.split('\0', 1)[0] ?? '')
  const mode = lines
    .map((line) => /^SELINUX=[ \t\v\f\r]*([A-Za-z]+)/.exec(line)?.[1]?.toLowerCase())
    .map((word) => modes.find((mode) => word?.startsWith(mode)))
    .find((found) => found !== undefined)
  const type = lines.map((line) => typeIn(line)).findLast((found) => found !== undefined) ?? 'targeted'
  return {
    ...(isType(type) ? { type } : {}),
    ...(mode === undefined ? {} : { mode }),
  }
}

const modes = ['disabled', 'permissive', 'enforcing'] as const satisfies readonly SelinuxMode[]

/** Returns the type in a line, without blanks and control characters at its end. Undefined: the line has none. */
function typeIn(line: string): string | undefined {
  const value = /^[ \t\v\f\r]*SELINUXTYPE=([^]*)$/i.exec(line)?.[1]
  if (value === undefined) return undefined
  let end = value.length
  while (end > 1 && (value.charCodeAt(end - 1) <= 0x20 || value.charCodeAt(end - 1) === 0x7f)) end -= 1
  return value.slice(0, end)
}

/** Returns whether a text can be the name of a policy: a plain name of a folder. */
export function isType(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(text)
}

/** Returns the commands that install a policy on a Debian machine and switch SELinux on. Returns none for a host that is only a folder. */
export function policySteps(host: Host): readonly string[] {
  if (!host.live) return []
  return ['apt-get install selinux-basics selinux-policy-default', 'selinux-activate', 'reboot']
}

/** Returns the commands that make the kernel of a Debian machine use the installed policy. */
export function activationSteps(host: Host, configured?: SelinuxMode): readonly string[] {
  return [
    ...(findTool(host, 'selinux-activate') === undefined ? [installStep('selinux-activate')] : []),
    ...(configured === 'disabled' ? [`set SELINUX=permissive in ${configFile}`] : []),
    'selinux-activate',
    'reboot',
  ]
}
