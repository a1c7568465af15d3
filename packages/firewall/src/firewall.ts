import type { Host } from '@puppy/host'
import { FirewallError } from './errors.ts'
import { parseTraffic, type TrafficReading } from './metering.ts'
import { parseListing } from './nft/parse.ts'
import { assertName, deleteTable } from './nft/render.ts'
import type { ObservedTable } from './nft/table.ts'
import { planTable, type FirewallChange } from './plan.ts'
import { isAtLeast, openProgram, type EffectOptions, type Program, type ProgramOptions } from './program.ts'
import type { WallSettings } from './settings.ts'
import { openRollback, type TrialOptions } from './trial.ts'
import { planWalls } from './walls/walls.ts'

export interface FirewallOptions extends ProgramOptions {
  /** The name of our table, of family `inet`. Default `puppy`. */
  readonly table?: string
}

/** Whether nft and the kernel can do it. */
export interface Probe {
  readonly works: boolean
  readonly version?: string
  /** Why it does not work: `FIREWALL_NOT_INSTALLED`, `FIREWALL_TOO_OLD`, `FIREWALL_REFUSED` (no root, no nf_tables), … */
  readonly error?: FirewallError
  /** Things of the machine that weaken or disturb the walls, in words. */
  readonly warnings: readonly string[]
}

export interface Ensured {
  readonly changed: boolean
  readonly changes: readonly FirewallChange[]
}

export interface Tried extends Ensured {
  /** Whether somebody will take it back unless it is confirmed. */
  readonly armed: boolean
}

/** One nftables table of ours. Other tables are neither read nor written. */
export interface Firewall {
  readonly table: string
  /** Finds out whether it can work here, by looking only. */
  probe(options?: EffectOptions): Promise<Probe>
  /** Lists the table; undefined when there is none. Runs nft once. */
  read(options?: EffectOptions): Promise<ObservedTable | undefined>
  /** Says what `ensure` would change. Runs nft once. */
  plan(settings: WallSettings, options?: EffectOptions): Promise<readonly FirewallChange[]>
  /**
   * Makes the table what the settings say, in one transaction, and reads it back. When nothing differs, one listing is all
   * that runs. Whoever calls it from several processes holds a lock of `Host`.
   *
   * @throws FirewallError `FIREWALL_INVALID`, `FIREWALL_REFUSED` (the rules before are in force), `FIREWALL_CONFLICT` when
   *   somebody else changes the table at the same time, `FIREWALL_TIMEOUT`, `FIREWALL_NOT_INSTALLED`, `FIREWALL_UNREADABLE`.
   */
  ensure(settings: WallSettings, options?: EffectOptions): Promise<Ensured>
  /**
   * As `ensure`, and has systemd put back what was before unless `confirm` comes in time, also when we are killed. When nothing
   * would change nothing is armed.
   *
   * @throws FirewallError as `ensure`, and `FIREWALL_UNATTENDED` where no systemd runs, `FIREWALL_CONFLICT` while another trial
   *   is not confirmed.
   */
  trial(settings: WallSettings, options: TrialOptions): Promise<Tried>
  /** Keeps what `trial` loaded, from whatever process. @throws FirewallError `FIREWALL_TIMEOUT` when it comes too late. */
  confirm(options?: EffectOptions): Promise<void>
  /** Every tenant's counters, by uid. Runs nft once. */
  traffic(options?: EffectOptions): Promise<readonly TrafficReading[]>
  /** Removes the table. */
  remove(options?: EffectOptions): Promise<{ readonly changed: boolean }>
}

/** The first that writes and lists counters of sets in JSON. */
const leastVersion = '1.0.6'
const attempts = 3

/** Opens our table; nothing is read or run yet. @throws FirewallError `FIREWALL_INVALID` for a name that nft would not take. */
export function openFirewall(host: Host, options: FirewallOptions = {}): Firewall {
  const table = options.table ?? 'puppy'
  assertName('table', table)
  const program = openProgram(host, options)
  const folder = options.folder ?? '/run/puppy-firewall'
  const rollback = openRollback(host, { table, folder, nft: program.command })
  const read = (effect: EffectOptions = {}) => readTable(program, table, effect)
  return Object.freeze<Firewall>({
    table,
    read,
    probe: (effect = {}) => probe(host, program, effect),
    plan: async (settings, effect = {}) => planTable(planWalls(table, settings), await read(effect)).changes,
    ensure: (settings, effect = {}) => ensure(program, table, settings, effect),
    trial: async (settings, effect) => {
      const before = await read(effect)
      const { changes } = planTable(planWalls(table, settings), before)
      if (changes.length === 0) return { changed: false, changes, armed: false }
      const armed = await rollback.arm(before, effect)
      try {
        return { ...(await ensure(program, table, settings, effect)), armed }
      } catch (error) {
        // Only a refusal is sure to have changed nothing; after anything else what was before had better come back.
        const refused = error instanceof FirewallError && error.code === 'FIREWALL_REFUSED'
        if (armed && refused) await rollback.disarm(effect)
        throw error
      }
    },
    confirm: (effect = {}) => rollback.disarm(effect),
    traffic: async (effect = {}) => {
      const observed = await read(effect)
      return observed === undefined ? [] : parseTraffic(observed)
    },
    remove: async (effect = {}) => {
      if ((await program.list(table, effect)) === undefined) return { changed: false }
      await program.apply(`remove the table ${table}`, deleteTable(table), effect)
      return { changed: true }
    },
  })
}

async function readTable(program: Program, table: string, options: EffectOptions): Promise<ObservedTable | undefined> {
  const listing = await program.list(table, options)
  return listing === undefined ? undefined : parseListing(listing, table)
}

async function probe(host: Host, program: Program, options: EffectOptions): Promise<Probe> {
  try {
    const version = await program.version(options)
    if (!isAtLeast(version, leastVersion)) return { works: false, version, error: tooOld(version), warnings: [] }
    await program.tables(options)
    return { works: true, version, warnings: await readWarnings(host) }
  } catch (error) {
    if (error instanceof FirewallError) return { works: false, error, warnings: [] }
    throw error
  }
}

function tooOld(version: string): FirewallError {
  const detail = `version ${leastVersion} or later is needed: older ones do not know counters of sets in JSON`
  return new FirewallError('FIREWALL_TOO_OLD', { operation: 'use nft', value: version, detail })
}

/** Settings of the kernel under which the walls are not what they say. */
async function readWarnings(host: Host): Promise<readonly string[]> {
  const read = async (name: string) => (await host.read(`/proc/sys/net/ipv4/${name}`))?.trim()
  const cookies = await read('tcp_syncookies')
  const demux = [await read('ip_early_demux'), await read('tcp_early_demux')]
  return [
    ...(cookies === '2' ? ['net.ipv4.tcp_syncookies=2 answers without a socket: no slot’s port can be reached'] : []),
    ...(demux.includes('0') ? ['early demultiplexing is off: received traffic is not counted'] : []),
  ]
}

async function ensure(
  program: Program,
  table: string,
  settings: WallSettings,
  options: EffectOptions,
): Promise<Ensured> {
  const wanted = planWalls(table, settings)
  const changes: FirewallChange[] = []
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const plan = planTable(wanted, await readTable(program, table, options), { afresh: attempt > 0 })
    if (plan.changes.length === 0) return { changed: changes.length > 0, changes }
    const refused = await applyPlan(program, table, plan.commands, options, attempt)
    if (!refused) changes.push(...plan.changes)
  }
  const left = planTable(wanted, await readTable(program, table, options)).changes
  if (left.length === 0) return { changed: true, changes }
  throw new FirewallError('FIREWALL_CONFLICT', {
    operation: 'load the table',
    target: table,
    value: left.map(({ action, target }) => `${action} ${target}`).join(', '),
    detail: `it differs after ${attempts} attempts; somebody else changes it too, see nft monitor`,
  })
}

/** A refusal may come from a table that changed after it was read: then reading it again helps, once. */
async function applyPlan(
  program: Program,
  table: string,
  commands: Parameters<Program['apply']>[1],
  options: EffectOptions,
  attempt: number,
): Promise<boolean> {
  try {
    await program.apply(`load the table ${table}`, commands, options)
    return false
  } catch (error) {
    if (attempt === 0 && error instanceof FirewallError && error.code === 'FIREWALL_REFUSED') return true
    throw error
  }
}
