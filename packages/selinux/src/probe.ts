import { installStep, runOptions, type EffectOptions, type FeatureProbe, type Host, type Probe } from '@puppy/host'
import { SelinuxError } from './errors.ts'
import { programOf } from './program.ts'
import { activationSteps, configFile, policySteps, readState, type SelinuxState } from './state.ts'
import { libraryCheck } from './store/libsemanage.ts'
import { readStore, readType } from './store/read-store.ts'

/**
 * An optional feature of a policy.
 *
 * - `levels`: contexts have levels, which isolate tenants.
 * - `booleans`: booleans can be set in a transaction, which needs libsemanage for Python.
 */
export type PolicyFeature = 'levels' | 'booleans'

/** Which parts of SELinux work on a machine. */
export interface PolicyProbe extends Probe<SelinuxError, PolicyFeature> {
  /** The state of SELinux. Absent when it cannot be read. */
  readonly state?: SelinuxState
}

export interface ProbeOptions extends EffectOptions {
  /** The name of the policy. Default: the one in `/etc/selinux/config`. */
  readonly type?: string
}

/**
 * Checks SELinux: the kernel, the store of the policy, and the tools. Changes nothing, never throws and does not need root.
 *
 * Permissive SELinux works, with a warning. On a host that is only a folder, the kernel does not matter: its store can be changed, and
 * nothing is loaded.
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
      detail: 'SELinux is off in this kernel',
      steps: state.type === undefined ? policySteps(host) : activationSteps(host, state.configured),
    })
  }
  await readStore(host, type ?? (await readType(host)))
  programOf(host, 'semodule')
  return undefined
}

function levelsOf(host: Host, state: SelinuxState | undefined): FeatureProbe {
  if (!host.live)
    return {
      works: false,
      reason: 'the host is only a folder, and levels need the kernel of a real machine',
      steps: [],
    }
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
    // Any failure means that it cannot be used.
    return false
  }
}

function warningsOf(state: SelinuxState): readonly string[] {
  if (state.mode === 'permissive') {
    return ['SELinux is permissive: it logs denials and does not enforce them; run "setenforce 1"']
  }
  if (state.mode === 'disabled' || state.configured === undefined || state.configured === 'enforcing') return []
  return [`SELinux will be ${state.configured} after the next boot; set SELINUX=enforcing in ${configFile}`]
}
