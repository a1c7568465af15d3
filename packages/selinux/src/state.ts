import type { Host } from '@puppy/host'
import { SelinuxError } from './errors.ts'

/** Whether SELinux decides: not there, only written down, or held. */
export type SelinuxMode = 'disabled' | 'permissive' | 'enforcing'

/** What SELinux is on this machine. Without a kernel that has it on there is `disabled` and perhaps a policy on disk. */
export type SelinuxState = DisabledState | EnabledState

export interface DisabledState {
  readonly mode: 'disabled'
  /** The policy that `/etc/selinux/config` names. */
  readonly type?: string
}

export interface EnabledState {
  readonly mode: 'permissive' | 'enforcing'
  /** The policy that `/etc/selinux/config` names: `default`, `targeted`, … */
  readonly type?: string
  /** What the machine is at the next boot, by `/etc/selinux/config`. */
  readonly configured?: SelinuxMode
  /** Whether contexts have levels. */
  readonly mls: boolean
  /** The highest version of a binary policy that the kernel takes. */
  readonly policyVersion: number
}

/** Where the kernel speaks of SELinux. */
export const selinuxfs = '/sys/fs/selinux'

/**
 * Reads what SELinux is here. That it is off is an answer, no error.
 *
 * @throws SelinuxError `SELINUX_UNREADABLE` for files of the kernel that have no known shape; HostError `HOST_READ_FAILED`.
 */
export async function readState(host: Host): Promise<SelinuxState> {
  const [enforce, mls, version, config] = await Promise.all([
    host.read(`${selinuxfs}/enforce`),
    host.read(`${selinuxfs}/mls`),
    host.read(`${selinuxfs}/policyvers`),
    host.read('/etc/selinux/config'),
  ])
  const { type, mode: configured } = parseConfig(config ?? '')
  const named = type === undefined ? {} : { type }
  if (enforce === undefined) return Object.freeze({ mode: 'disabled', ...named })
  return Object.freeze({
    mode: numberIn('enforce', enforce) === 1 ? 'enforcing' : 'permissive',
    ...named,
    ...(configured === undefined ? {} : { configured }),
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
 * Reads selinux_config(5): `SELINUX=enforcing`, `SELINUXTYPE=default`. The last of each counts; what is not known is left away.
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

/** Whether a text can be the name of a policy: a folder's name, and no way out of it. */
export function isType(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(text)
}
