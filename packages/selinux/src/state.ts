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
  const { type, mode: configured } = parseConfig(config ?? '')
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

/** Parses selinux_config(5): `SELINUX=enforcing`, `SELINUXTYPE=default`. The last line of each name counts. Unknown values are left out. */
export function parseConfig(text: string): { readonly type?: string; readonly mode?: SelinuxMode } {
  const value = (name: string) =>
    text
      .split('\n')
      .map((line) => /^\s*([A-Z]+)=\s*([A-Za-z0-9._-]{1,64})\s*$/.exec(line))
      .findLast((found) => found?.[1] === name)?.[2]
  const type = value('SELINUXTYPE')
  const mode = (['disabled', 'permissive', 'enforcing'] as const).find(
    (word) => word === value('SELINUX')?.toLowerCase(),
  )
  return {
    ...(type === undefined || !isType(type) ? {} : { type }),
    ...(mode === undefined ? {} : { mode }),
  }
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
