import { findTool, installStep, runsSystemd, type FeatureProbe, type Host, type Probe, type Tool } from '@puppy/host'
import { AccountError } from './errors.ts'

/** A part of this package that can work or fail separately. */
export type AccountFeature = 'pool' | 'keys' | 'logins' | 'linger' | 'eviction'

/** Which parts of this package work on a machine. */
export type AccountProbe = Probe<AccountError, AccountFeature>

/** The programs that each feature runs. `linger` needs systemd as the init instead. */
const programsOf = {
  pool: ['systemd-sysusers', 'systemd-tmpfiles', 'getent', 'userdel', 'groupdel'],
  keys: ['ssh-keygen'],
  logins: ['sshd', 'usermod'],
  eviction: ['setpriv', 'find', 'rm', 'ipcrm'],
} as const satisfies Readonly<Record<Exclude<AccountFeature, 'linger'>, readonly Tool[]>>

const works: FeatureProbe = Object.freeze({ works: true, steps: [] })

/**
 * Checks which parts of this package work on this machine: it looks for the programs that each part runs. `works` is true when pools can be
 * built. Changes nothing and never rejects.
 */
export function probe(host: Host): Promise<AccountProbe> {
  return probeFor(host, ['pool'])
}

/** Probes for a facility that needs these features. */
export async function probeFor(host: Host, needed: readonly (keyof typeof programsOf)[]): Promise<AccountProbe> {
  const missing = needed.flatMap((feature) => missingOf(host, feature))
  const features = {
    pool: featureOf(host, 'pool'),
    keys: featureOf(host, 'keys'),
    logins: featureOf(host, 'logins'),
    eviction: featureOf(host, 'eviction'),
    linger: await probeLinger(host),
  }
  if (missing.length === 0) return { works: true, steps: [], warnings: [], features }
  const steps = stepsFor(missing)
  const error = new AccountError('ACCOUNT_PROGRAM_MISSING', {
    operation: `find the ${missing.length === 1 ? 'program' : 'programs'}`,
    target: missing.join(', '),
    detail: `${missing.length === 1 ? 'it is' : 'they are'} not installed`,
    steps,
  })
  return { works: false, error, steps, warnings: [], features }
}

function featureOf(host: Host, feature: keyof typeof programsOf): FeatureProbe {
  const missing = missingOf(host, feature)
  if (missing.length === 0) return works
  const reason = `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed`
  return { works: false, reason, steps: stepsFor(missing) }
}

function missingOf(host: Host, feature: keyof typeof programsOf): readonly Tool[] {
  return programsOf[feature].filter((name) => findTool(host, name) === undefined)
}

function stepsFor(missing: readonly Tool[]): readonly string[] {
  return [...new Set(missing.map(installStep))]
}

async function probeLinger(host: Host): Promise<FeatureProbe> {
  try {
    if (await runsSystemd(host)) return works
    return { works: false, reason: 'systemd is not the init of this host, so linger has no effect', steps: [] }
  } catch (error) {
    return { works: false, reason: error instanceof Error ? error.message : String(error), steps: [] }
  }
}
