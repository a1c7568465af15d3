import { HostError, runsSystemd, type EffectOptions, type Facility, type Host, type Probe } from '@puppy/host'
import { applyChangeSet, converge, readTable, type FirewallApplied, type FirewallResult } from './apply.ts'
import { FirewallError } from './errors.ts'
import { parseTraffic, type TrafficReading } from './metering.ts'
import { assertName, deleteTable } from './nft/render.ts'
import type { ObservedTable } from './nft/table.ts'
import { defaultTable, planFirewall, type FirewallChangeSet } from './plan.ts'
import { isAtLeast, openProgram, type Program, type ProgramOptions } from './program.ts'
import { assertSpec, type FirewallSpec } from './spec.ts'
import { openRollback, type TrialOptions } from './trial.ts'

export interface FirewallOptions extends ProgramOptions {
  /** The name of the table, of family `inet`. Default `puppy`. */
  readonly table?: string
}

/**
 * Whether nft and the kernel can load the table. The feature `trial` is the rollback of `trial`, which systemd performs. Warnings are
 * settings of the kernel under which rules do not do what they say.
 */
export type FirewallProbe = Probe<FirewallError, 'trial'>

export interface Tried extends FirewallApplied {
  /** Whether systemd restores the table unless the trial is confirmed. */
  readonly armed: boolean
}

/** One nftables table. Other tables are neither read nor written. */
export interface Firewall extends Facility<
  FirewallSpec,
  ObservedTable | undefined,
  FirewallChangeSet,
  FirewallResult,
  FirewallProbe
> {
  readonly table: string

  /** Finds out whether nft can load the table. Changes nothing and never throws: what does not work has an error and steps. */
  probe(options?: EffectOptions): Promise<FirewallProbe>

  /** Lists the table; undefined when it does not exist. Runs nft once. The spec is not needed. */
  read(spec?: FirewallSpec, options?: EffectOptions): Promise<ObservedTable | undefined>

  /** Returns the changes of the table. Pure; the same as `planFirewall`. @throws FirewallError `FIREWALL_INVALID` */
  plan(spec: FirewallSpec, observed: ObservedTable | undefined): FirewallChangeSet

  /**
   * Runs exactly the commands of a change set, in one transaction, and reads the table back. Without changes it runs nothing.
   *
   * @throws FirewallError `FIREWALL_CONFLICT` when the table changed after it was read: read and plan again. `FIREWALL_REFUSED` (the table
   *   is as it was), `FIREWALL_TIMEOUT`, `FIREWALL_NOT_INSTALLED`, `FIREWALL_UNREADABLE`.
   */
  apply(changeSet: FirewallChangeSet, options?: EffectOptions): Promise<FirewallApplied>

  /**
   * Reads, plans and applies; when another program changes the table meanwhile, again, three times at the most. The second time a table
   * with foreign objects is deleted and created again, because one of them may be in use; its counters start at zero then. When the
   * table does not differ, one listing is all that runs. Callers in several processes hold a lock of `Host`.
   *
   * @throws FirewallError as `plan` and `apply`
   */
  ensure(spec: FirewallSpec, options?: EffectOptions): Promise<FirewallApplied>

  /**
   * Does what `ensure` does, and has systemd restore the table as it was unless `confirm` is called in time, also when this process is
   * killed. When the table does not differ, nothing is armed.
   *
   * @throws FirewallError as `ensure`, and `FIREWALL_UNATTENDED` where systemd does not run, `FIREWALL_CONFLICT` while another trial
   *   is not confirmed.
   */
  trial(spec: FirewallSpec, options: TrialOptions): Promise<Tried>

  /** Keeps what `trial` loaded, from any process. @throws FirewallError `FIREWALL_TIMEOUT` when the table was restored already. */
  confirm(options?: EffectOptions): Promise<void>

  /** Reads every tenant's counters, by uid. Runs nft once. */
  traffic(options?: EffectOptions): Promise<readonly TrafficReading[]>

  /** Deletes the table. */
  remove(options?: EffectOptions): Promise<{ readonly changed: boolean }>
}

/** The first version that writes and lists counters of sets in JSON. */
const leastVersion = '1.0.6'

/** Opens a table. Nothing is read or run yet. @throws FirewallError `FIREWALL_INVALID` for a name that nft would not take. */
export function openFirewall(host: Host, options: FirewallOptions = {}): Firewall {
  const table = options.table ?? defaultTable
  assertName('table', table)
  const program = openProgram(host, options)
  const folder = options.folder ?? '/run/puppy-firewall'
  const rollback = openRollback(host, { table, folder, nft: program.command })
  const list = (effect: EffectOptions) => readTable(program, table, effect)
  const plan: Firewall['plan'] = (spec, observed) => planFirewall(spec, observed, { table })
  return Object.freeze<Firewall>({
    table,
    plan,
    probe: (effect = {}) => probe(host, program, effect),
    read: (_spec, effect = {}) => list(effect),
    apply: (changeSet, effect = {}) => {
      if (changeSet.table.name !== table) {
        throw new TypeError(`A change set of the table ${changeSet.table.name} cannot be applied to ${table}`)
      }
      return applyChangeSet(program, changeSet, effect)
    },
    ensure: async (spec, effect = {}) => {
      assertSpec(spec)
      return converge(program, plan(spec, await list(effect)), effect)
    },
    trial: async (spec, effect) => {
      assertSpec(spec)
      const observed = await list(effect)
      const changeSet = plan(spec, observed)
      if (changeSet.changes.length === 0) return { ...(await converge(program, changeSet, effect)), armed: false }
      const armed = await rollback.arm(observed, effect)
      try {
        return { ...(await converge(program, changeSet, effect)), armed }
      } catch (error) {
        // Only a refusal is certain to have changed nothing. After any other error the table is restored.
        const refused = error instanceof FirewallError && error.code === 'FIREWALL_REFUSED'
        if (armed && refused) await rollback.disarm(effect)
        throw error
      }
    },
    confirm: (effect = {}) => rollback.disarm(effect),
    traffic: async (effect = {}) => {
      const observed = await list(effect)
      return observed === undefined ? [] : parseTraffic(observed)
    },
    remove: async (effect = {}) => {
      if ((await program.list(table, effect)) === undefined) return { changed: false }
      await program.apply(`remove the table ${table}`, deleteTable(table), effect)
      return { changed: true }
    },
  })
}

async function probe(host: Host, program: Program, options: EffectOptions): Promise<FirewallProbe> {
  const features = { trial: await probeTrial(host) }
  let version: string | undefined
  try {
    version = await program.version(options)
    if (!isAtLeast(version, leastVersion)) throw tooOld(version)
    await program.tables(options)
    return { works: true, version, steps: [], warnings: await readWarnings(host), features }
  } catch (cause) {
    const error = asFirewallError(cause)
    const steps = error.facts.steps ?? []
    return { works: false, ...(version === undefined ? {} : { version }), error, steps, warnings: [], features }
  }
}

async function probeTrial(host: Host): Promise<FirewallProbe['features']['trial']> {
  try {
    if (await runsSystemd(host)) return { works: true, steps: [] }
    return { works: false, reason: 'systemd does not run this host, so it cannot restore the table', steps: [] }
  } catch (error) {
    return { works: false, reason: asFirewallError(error).message, steps: [] }
  }
}

/** Returns the error of a probe. What is neither ours nor the host's is a bug. */
function asFirewallError(cause: unknown): FirewallError {
  if (cause instanceof FirewallError) return cause
  if (!(cause instanceof HostError)) throw cause
  return new FirewallError('FIREWALL_REFUSED', { operation: 'probe nft', detail: cause.message, cause })
}

function tooOld(version: string): FirewallError {
  return new FirewallError('FIREWALL_TOO_OLD', {
    operation: 'use nft',
    value: version,
    detail: 'older versions do not support counters of sets in JSON',
    steps: [`install nftables ${leastVersion} or later`],
  })
}

/** Reads settings of the kernel under which the rules do not do what they say. */
async function readWarnings(host: Host): Promise<readonly string[]> {
  const read = async (name: string) => (await host.read(`/proc/sys/net/ipv4/${name}`))?.trim()
  const cookies = await read('tcp_syncookies')
  const demux = [await read('ip_early_demux'), await read('tcp_early_demux')]
  return [
    ...(cookies === '2' ? ['net.ipv4.tcp_syncookies=2 answers without a socket: no slot’s port can be reached'] : []),
    ...(demux.includes('0') ? ['early demultiplexing is off: received traffic is not counted'] : []),
  ]
}
