import { HostError, type Applied, type EffectOptions, type ItemResult } from '@puppy/host'
import { FirewallError } from './errors.ts'
import { parseListing } from './nft/parse.ts'
import { sameTable } from './nft/same.ts'
import type { ObservedTable, Table } from './nft/table.ts'
import { planTable, targetsOf, type FirewallChange, type FirewallChangeSet } from './plan.ts'
import type { Program } from './program.ts'

/** The result for the table, a set or a chain: whether it was changed. If a transaction fails, nothing is changed and the call rejects. */
export type FirewallResult = ItemResult<FirewallError>

export type FirewallApplied = Applied<FirewallResult, FirewallChange>

/** How many transactions `ensure` tries while other programs change the table. */
const attempts = 3

/** Lists the table and parses the listing. Returns undefined when the table does not exist. */
export async function readTable(
  program: Program,
  name: string,
  options: EffectOptions,
): Promise<ObservedTable | undefined> {
  const listing = await program.list(name, options)
  return listing === undefined ? undefined : parseListing(listing, name)
}

/**
 * Runs the transaction of a change set and reads the table back. Runs nothing when the change set is empty.
 *
 * @throws FirewallError `FIREWALL_CONFLICT` when the table changed after it was read, or differs from the spec after the transaction;
 *   `FIREWALL_REFUSED` when the transaction was refused for another reason and the table is unchanged.
 */
export async function applyChangeSet(
  program: Program,
  changeSet: FirewallChangeSet,
  options: EffectOptions,
): Promise<FirewallApplied> {
  const { conflict } = await load(program, changeSet, options)
  if (conflict !== undefined) throw conflict
  return appliedOf(changeSet.table, changeSet.changes)
}

/**
 * Applies a change set. When another program changes the table meanwhile, reads and plans again, up to three transactions in total.
 * Returns the changes of every transaction that was run.
 */
export async function converge(
  program: Program,
  first: FirewallChangeSet,
  options: EffectOptions,
): Promise<FirewallApplied> {
  const { table } = first
  const changes: FirewallChange[] = []
  let changeSet = first
  for (let attempt = 1; ; attempt += 1) {
    const { loaded, conflict } = await loadOrRefused(program, changeSet, options, attempt)
    if (loaded) changes.push(...changeSet.changes)
    if (conflict === undefined) return appliedOf(table, changes)
    if (attempt === attempts) throw conflict
    const observed = await readTable(program, table.name, options)
    const next = { ...changeSet, observed, ...planTable(table, observed, { recreate: true }) }
    // The same transaction would be refused again.
    if (conflict.code === 'FIREWALL_REFUSED' && sameCommands(next, changeSet)) throw conflict
    changeSet = next
  }
}

interface Loaded {
  /** Whether the transaction was run. */
  readonly loaded: boolean
  readonly conflict?: FirewallError
}

/** Treats the first refusal as a conflict. A foreign object in use can cause it, and the next transaction deletes the whole table. */
async function loadOrRefused(
  program: Program,
  changeSet: FirewallChangeSet,
  options: EffectOptions,
  attempt: number,
): Promise<Loaded> {
  try {
    return await load(program, changeSet, options)
  } catch (error) {
    if (attempt > 1 || !(error instanceof FirewallError) || error.code !== 'FIREWALL_REFUSED') throw error
    return { loaded: false, conflict: error }
  }
}

async function load(program: Program, changeSet: FirewallChangeSet, options: EffectOptions): Promise<Loaded> {
  const { changes, commands, table, observed } = changeSet
  if (changes.length === 0) return { loaded: false }
  const operation = `load the table ${table.name}`
  if (options.signal?.aborted === true) throw new HostError('HOST_ABORTED', { operation, cause: options.signal.reason })
  try {
    await program.apply(operation, commands, options)
  } catch (error) {
    if (!(error instanceof FirewallError) || error.code !== 'FIREWALL_REFUSED') throw error
    if (sameTable(observed, await readTable(program, table.name, options))) throw error
    const detail =
      'the table changed after it was read, so the transaction was refused and nothing was changed; read and plan again'
    const { said } = error.facts
    const facts = { operation, detail, cause: error, ...(said === undefined ? {} : { said }) }
    return { loaded: false, conflict: new FirewallError('FIREWALL_CONFLICT', facts) }
  }
  const left = planTable(table, await readTable(program, table.name, options)).changes
  if (left.length === 0) return { loaded: true }
  const conflict = new FirewallError('FIREWALL_CONFLICT', {
    operation,
    value: left.map(({ action, target }) => `${action} ${target}`).join(', '),
    detail:
      'the table differs from the spec after the transaction; run "nft monitor" to find the program that changes it too',
  })
  return { loaded: true, conflict }
}

function sameCommands(one: FirewallChangeSet, other: FirewallChangeSet): boolean {
  return JSON.stringify(one.commands) === JSON.stringify(other.commands)
}

function appliedOf(table: Table, changes: readonly FirewallChange[]): FirewallApplied {
  const changed = new Set(changes.map(({ target }) => target))
  const results = targetsOf(table).map((target) => ({ target, changed: changed.has('table') || changed.has(target) }))
  return { changed: changes.length > 0, changes, results }
}
