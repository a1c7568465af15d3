import { installStep, runOptions, type EffectOptions, type FeatureProbe, type Host, type Probe } from '@puppy/host'
import { SelinuxError } from './errors.ts'
import { programOf } from './program.ts'
import { activationSteps, configFile, policySteps, readState, type SelinuxState } from './state.ts'
import { libraryCheck } from './store/libsemanage.ts'
import { readStore, readType } from './store/read-store.ts'

/**
 * What a policy can have and lack.
 *
 * - `levels`: contexts have levels, which keep tenants apart.
 * - `booleans`: booleans can be set in a transaction, which needs Python's libsemanage.
 */
export type PolicyFeature = 'levels' | 'booleans'

/** What of SELinux works on a machine. */
export interface PolicyProbe extends Probe<SelinuxError, PolicyFeature> {
  /** Absent when it cannot be read. */
  readonly state?: SelinuxState
}

export interface ProbeOptions extends EffectOptions {
  /** Which policy. Default the one of `/etc/selinux/config`. */
  readonly type?: string
}

/**
 * Probes SELinux: the kernel, the policy's store, and the tools. Changes nothing, never throws and does not need root.
 *
 * Permissive SELinux works, with a warning. Of a host that is only a folder the kernel does not matter: its store can be changed, and nothing
 * is loaded.
 */
export async function probePolicy(host: Host, options: ProbeOptions = {}): Promise<PolicyProbe> {
  const state = await caught(() => readState(host))
  const found = state instanceof SelinuxError ? {} : { state }
  const error = state instanceof SelinuxError ? state : await caught(() => assertWorks(host, state, options.type))
  const features = { levels: levelsOf(host, found.state), booleans: await booleansOf(host, options) }
  const warnings = found.state === undefined ? [] : warningsOf(found.state)
  if (error === undefined) return { works: true, ...found, steps: [], warnings, features }
  return { works: false, ...found, error, steps: error.facts.steps ?? [], warnings, features }
}

async function caught<Value>(read: () => Promise<Value>): Promise<Value | SelinuxError> {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof SelinuxError) return cause
    const detail = cause instanceof Error ? cause.message : String(cause)
    return new SelinuxError('SELINUX_UNREADABLE', { operation: 'probe SELinux', detail, cause })
  }
}

async function assertWorks(host: Host, state: SelinuxState, type?: string): Promise<undefined> {
  if (host.live && state.mode === 'disabled') {
    throw new SelinuxError('SELINUX_DISABLED', {
      operation: 'use SELinux',
      detail: 'it is off in this kernel',
      steps: state.type === undefined ? policySteps(host) : activationSteps(host, state.configured),
    })
  }
  await readStore(host, type ?? (await readType(host)))
  programOf(host, 'semodule')
  return undefined
}

function levelsOf(host: Host, state: SelinuxState | undefined): FeatureProbe {
  if (!host.live)
    return { works: false, reason: 'the host is only a folder, and the kernel knows its levels', steps: [] }
  if (state === undefined || state.mode === 'disabled') return { works: false, reason: 'SELinux is off', steps: [] }
  if (state.mls) return { works: true, steps: [] }
  const steps = ['apt-get install selinux-policy-default', `set SELINUXTYPE=default in ${configFile}`, 'reboot']
  return { works: false, reason: 'the loaded policy has no levels', steps }
}

async function booleansOf(host: Host, options: EffectOptions): Promise<FeatureProbe> {
  const check = libraryCheck(host)
  const works = check !== undefined && (await runs(host, check, options))
  if (works) return { works, steps: [] }
  return { works, reason: 'libsemanage cannot be used from Python', steps: [installStep('semanage')] }
}

async function runs(host: Host, command: readonly [string, ...string[]], options: EffectOptions): Promise<boolean> {
  try {
    await host.run(command, runOptions('nothing', options))
    return true
  } catch {
    // Whatever the reason is, it cannot be used.
    return false
  }
}

function warningsOf(state: SelinuxState): readonly string[] {
  if (state.mode === 'permissive') return ['SELinux is permissive: it logs and denies nothing; run setenforce 1']
  if (state.mode === 'disabled' || state.configured === undefined || state.configured === 'enforcing') return []
  return [`SELinux will be ${state.configured} after the next boot; set SELINUX=enforcing in ${configFile}`]
}
