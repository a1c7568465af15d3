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
  /** The name of the table in the family `inet`. Default `puppy`. */
  readonly table?: string
}

/**
 * Whether nft and the kernel can load the table. The feature `trial` reports whether systemd can roll a trial back. Warnings name kernel
 * settings that stop rules or counters from working.
 */
export type FirewallProbe = Probe<FirewallError, 'trial'>

export interface Tried extends FirewallApplied {
  /** Whether a timer of systemd restores the table unless the trial is confirmed. False when nothing changed. */
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

  /**
   * Checks whether nft can load the table. Changes nothing and never throws: the result has the error and the steps that enable what does
   * not work.
   */
  probe(options?: EffectOptions): Promise<FirewallProbe>

  /** Reads the table. Returns undefined when it does not exist. Runs nft once. The spec is not needed. */
  read(spec?: FirewallSpec, options?: EffectOptions): Promise<ObservedTable | undefined>

  /** Plans the changes of the table. Pure. Does the same as `planFirewall`. @throws FirewallError `FIREWALL_INVALID` */
  plan(spec: FirewallSpec, observed: ObservedTable | undefined): FirewallChangeSet

  /**
   * Runs exactly the commands of a change set in one transaction and reads the table back. Runs nothing when the change set is empty.
   *
   * @throws FirewallError `FIREWALL_CONFLICT` when the table changed after it was read: read and plan again. `FIREWALL_REFUSED` (the
   *   table is unchanged), `FIREWALL_TIMEOUT`, `FIREWALL_NOT_INSTALLED`, `FIREWALL_UNREADABLE`.
   */
  apply(changeSet: FirewallChangeSet, options?: EffectOptions): Promise<FirewallApplied>

  /**
   * Reads, plans and applies. When another program changes the table meanwhile, does this again, up to three times in total. From the
   * second time on, a table with foreign objects is deleted and created again, because one of them may be in use. Its counters then start
   * at zero. If the table already matches the spec, only one listing runs. Callers in several processes must hold a lock of `Host`.
   *
   * @throws FirewallError as `plan` and `apply`
   */
  ensure(spec: FirewallSpec, options?: EffectOptions): Promise<FirewallApplied>

  /**
   * Applies the spec like `ensure`, and starts a systemd timer that restores the previous table unless `confirm` is called in time. The
   * timer also works when this process is killed. If the table already matches the spec, nothing changes, no timer is started, `armed` is
   * false, and `confirm` throws.
   *
   * @throws FirewallError as `ensure`, and `FIREWALL_UNATTENDED` where systemd does not run, `FIREWALL_CONFLICT` while another trial is
   *   not confirmed.
   */
  trial(spec: FirewallSpec, options: TrialOptions): Promise<Tried>

  /**
   * Confirms a trial, so that the table stays. Any process may call it.
   *
   * @throws FirewallError `FIREWALL_TIMEOUT` when no trial is pending: the table was already restored, the trial was confirmed before, or
   *   the trial changed nothing.
   */
  confirm(options?: EffectOptions): Promise<void>

  /** Reads the counters of every tenant, sorted by uid. Runs nft once. */
  traffic(options?: EffectOptions): Promise<readonly TrafficReading[]>

  /** Ends a pending trial, and deletes the table if it exists. */
  remove(options?: EffectOptions): Promise<{ readonly changed: boolean }>
}

/** The first version that writes and lists counters of sets in JSON. */
const leastVersion = '1.0.6'

/** Opens a table. Reads and runs nothing yet. @throws FirewallError `FIREWALL_INVALID` for a name that nft does not accept. */
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
        throw new TypeError(`Cannot apply a change set of the table ${changeSet.table.name} to the table ${table}`)
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
        // Only after a refusal is the table certain to be unchanged. After any other error, systemd restores it.
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
      // A pending trial would load the table again.
      await rollback.cancel(effect)
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
    return {
      works: false,
      reason: 'systemd does not run on this host, so it cannot restore the table after a trial',
      steps: [],
    }
  } catch (error) {
    return { works: false, reason: asFirewallError(error).message, steps: [] }
  }
}

/** Converts an error of the host. Throws any other error again, because it is a bug. */
function asFirewallError(cause: unknown): FirewallError {
  if (cause instanceof FirewallError) return cause
  if (!(cause instanceof HostError)) throw cause
  return new FirewallError('FIREWALL_REFUSED', { operation: 'probe nft', detail: cause.message, cause })
}

function tooOld(version: string): FirewallError {
  return new FirewallError('FIREWALL_TOO_OLD', {
    operation: 'use nft',
    value: version,
    detail: `versions before ${leastVersion} do not support counters of sets in JSON`,
    steps: [`install nftables ${leastVersion} or later`],
  })
}

const alwaysCookies =
  'net.ipv4.tcp_syncookies is 2, so the kernel answers every handshake without a socket and the ports of slots cannot be reached; ' +
  'run "sysctl -w net.ipv4.tcp_syncookies=1"'
const noEarlyDemux =
  'early demultiplexing is off, so received traffic is not counted; ' +
  'run "sysctl -w net.ipv4.ip_early_demux=1 net.ipv4.tcp_early_demux=1"'

/** The protocols whose sockets send through another socket that has no file, and so no uid, and the modules that have them. */
const withoutUid: Readonly<Record<string, string>> = { SMC: 'smc', SMC6: 'smc', RXRPC: 'rxrpc' }

/** Returns a warning when the kernel has a protocol with which a tenant can send packets without a uid. */
async function withoutUidWarning(host: Host): Promise<readonly string[]> {
  const names = ((await host.read('/proc/net/protocols')) ?? '').split('\n').map((line) => line.split(' ')[0] ?? '')
  const modules = [...new Set(names.flatMap((name) => withoutUid[name] ?? []))]
  if (modules.length === 0) return []
  const lines = modules.map((module) => `"install ${module} /bin/false"`).join(' and ')
  return [
    `the kernel module ${modules.join(' and ')} is loaded, so tenants can send packets without a uid, and egress policies do not apply ` +
      `to them; if this host does not need it, write ${lines} to /etc/modprobe.d/puppy.conf and reboot`,
  ]
}

/** Reads the kernel settings that stop rules or counters from working. */
async function readWarnings(host: Host): Promise<readonly string[]> {
  const read = async (name: string) => (await host.read(`/proc/sys/net/ipv4/${name}`))?.trim()
  const cookies = await read('tcp_syncookies')
  const demux = [await read('ip_early_demux'), await read('tcp_early_demux')]
  const settings = [...(cookies === '2' ? [alwaysCookies] : []), ...(demux.includes('0') ? [noEarlyDemux] : [])]
  return [...settings, ...(await withoutUidWarning(host))]
}
