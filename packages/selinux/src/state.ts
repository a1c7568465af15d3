import { findTool, installStep, type Host } from '@puppy/host'
import { SelinuxError } from './errors.ts'

/** Whether SELinux is off, logs what it would deny, or denies. */
export type SelinuxMode = 'disabled' | 'permissive' | 'enforcing'

/** The state of SELinux on a machine. With SELinux off there may be a policy on the disk all the same. */
export type SelinuxState = DisabledState | EnabledState

export interface DisabledState {
  readonly mode: 'disabled'
  /** The policy that `/etc/selinux/config` names. */
  readonly type?: string
  /** The mode at the next boot, by `/etc/selinux/config`, if the kernel has SELinux on then. */
  readonly configured?: SelinuxMode
}

export interface EnabledState {
  readonly mode: 'permissive' | 'enforcing'
  /** The policy that `/etc/selinux/config` names: `default`, `targeted`, … */
  readonly type?: string
  /** The mode at the next boot, by `/etc/selinux/config`. */
  readonly configured?: SelinuxMode
  /** Whether contexts have levels. */
  readonly mls: boolean
  /** The highest version of a binary policy that the kernel takes. */
  readonly policyVersion: number
}

/** Where the kernel shows SELinux. */
export const selinuxfs = '/sys/fs/selinux'

/** The mode and the type of policy at the next boot. @see selinux_config(5) */
export const configFile = '/etc/selinux/config'

/**
 * Reads the state of SELinux. That it is off is an answer, not an error.
 *
 * @throws SelinuxError `SELINUX_UNREADABLE` for files of the kernel whose shape is not known; HostError `HOST_READ_FAILED`.
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
    detail: 'it should be a number',
  })
}

/**
 * Parses selinux_config(5): `SELINUX=enforcing`, `SELINUXTYPE=default`. The last line of each counts. Unknown values are left out.
 */
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

/** Returns the commands that give a Debian machine a policy and switch SELinux on. A folder that stands for a machine has none. */
export function policySteps(host: Host): readonly string[] {
  if (!host.live) return []
  return ['apt-get install selinux-basics selinux-policy-default', 'selinux-activate', 'reboot']
}

/** Returns the commands that have the kernel of a Debian machine use the policy that is installed. */
export function activationSteps(host: Host, configured?: SelinuxMode): readonly string[] {
  return [
    ...(findTool(host, 'selinux-activate') === undefined ? [installStep('selinux-activate')] : []),
    ...(configured === 'disabled' ? [`set SELINUX=permissive in ${configFile}`] : []),
    'selinux-activate',
    'reboot',
  ]
}
