import type { Applied, EffectOptions, Host, ItemResult } from '@puppy/host'
import { renderBatch, saidOf } from './batch.ts'
import { QuotaError } from './errors.ts'
import { letters, sameLimits, type BothLimits, type QuotaKind } from './limits.ts'
import { targetOf, type QuotaChange, type QuotaChangeSet } from './plan.ts'
import { runProgram } from './program.ts'
import { explained, readAll } from './read.ts'
import { emptyReading, limitsOf, type QuotaReading } from './report.ts'
import { movedError, type Volume } from './volume.ts'

/** The result for one id. */
export interface QuotaResult extends ItemResult<QuotaError> {
  readonly id: number
  /** The reading after the write. Absent when nothing was written for this id. */
  readonly reading?: QuotaReading
}

/** The result of applying a change set. The results are in this order: the changes, the unchanged items, the refused items. */
export type QuotaApplied = Applied<QuotaResult, QuotaChange>

/** Options of `apply`. */
export interface ApplyOptions extends EffectOptions {
  /**
   * Sets all items or none. If an item is invalid, nothing is written. If the kernel refuses an item, the other items get their previous
   * limits back.
   */
  readonly atomic?: boolean
}

/** Sets the limits of a change set in one batch and reads them back. Without changes, runs nothing and searches no volume. */
export async function applyChangeSet(
  host: Host,
  find: (options: EffectOptions) => Promise<Volume>,
  changeSet: QuotaChangeSet,
  options: ApplyOptions,
): Promise<QuotaApplied> {
  const { kind, changes, refused, unchanged } = changeSet
  const rest: readonly QuotaResult[] = [
    ...unchanged.map((id) => ({ target: targetOf(kind, id), id, changed: false })),
    ...refused.map(({ target, id, error }) => ({ target, id, changed: false, error })),
  ]
  const [first] = refused
  if (options.atomic === true && first !== undefined) {
    const cancelled = changes.map(({ target, id }) => ({
      target,
      id,
      changed: false,
      error: cancelledBy(first.id, id),
    }))
    return { changed: false, changes, results: [...cancelled, ...rest] }
  }
  if (changes.length === 0) return { changed: false, changes, results: rest }
  const volume = await find(options)
  if (volume.mount.device !== changeSet.mount.device)
    throw movedError(volume.mount.mountPoint, changeSet.mount, volume.mount)
  const batch: Batch = { host, volume, changeSet, options }
  const results = await write(batch, changes, ({ to }) => to)
  const failed = results.find(({ error }) => error !== undefined)
  if (options.atomic !== true || failed === undefined)
    return { changed: results.some(({ changed }) => changed), changes, results: [...results, ...rest] }
  const reverted = await revert(batch, results, failed.id)
  return { changed: reverted.some(({ changed }) => changed), changes, results: [...reverted, ...rest] }
}

interface Batch {
  readonly host: Host
  readonly volume: Volume
  readonly changeSet: QuotaChangeSet
  readonly options: EffectOptions
}

async function write(
  { host, volume, changeSet: { kind }, options }: Batch,
  changes: readonly QuotaChange[],
  limitsFor: (change: QuotaChange) => BothLimits,
): Promise<readonly QuotaResult[]> {
  const { mountPoint } = volume.mount
  const operation = `set the limits of ${kind}s on`
  const { exitCode, stderr } = await runProgram(host, ['setquota', letters[kind], '-b', '-c', '--', mountPoint], {
    ...options,
    touches: 'machine',
    input: renderBatch(changes.map((change) => ({ id: change.id, limits: limitsFor(change) }))),
    // Exit code 1 means that the kernel refused some lines. It may have refused some with exit code 0 too, so what is read back decides.
    accept: [0, 1],
    operation,
    target: mountPoint,
  })
  if (exitCode !== 0 && /has no quota enabled|not using quota|are using quota/.test(stderr)) {
    const refusal = new QuotaError('QUOTA_REFUSED', { operation, target: mountPoint, said: stderr.trim() })
    throw await explained(refusal, host, volume, kind, options)
  }
  const readings = new Map((await readAll(host, volume, kind, options)).map((one) => [one.id, one]))
  return changes.map((change) => resultOf(change, limitsFor(change), readings.get(change.id), stderr, kind))
}

function resultOf(
  { target, id, from }: QuotaChange,
  to: BothLimits,
  found: QuotaReading | undefined,
  stderr: string,
  kind: QuotaKind,
): QuotaResult {
  const reading = found ?? emptyReading(id)
  const limits = limitsOf(reading)
  // Without a previous reading, every written item counts as changed.
  const changed = from === undefined ? sameLimits(limits, to) : !sameLimits(limits, from)
  if (sameLimits(limits, to)) return { target, id, changed, reading }
  // When the disk is full, the kernel has no room for a new id, and setquota stops in spite of -c. Its message is then about that id,
  // and setquota did not try the ids after it.
  const said = saidOf(id, stderr) ?? stderr.trim().slice(-1000)
  const remedy = said === '' ? '; check whether another program sets limits, then try again' : ''
  const error = new QuotaError(said === '' ? 'QUOTA_MISMATCH' : 'QUOTA_REFUSED', {
    operation: `set the limits of ${kind}`,
    target: String(id),
    value: JSON.stringify(to),
    detail: `the limits read back are ${JSON.stringify(limits)}${remedy}`,
    said,
  })
  return { target, id, changed, reading, error }
}

/** Restores the previous limits of the changed ids, so that an atomic batch that failed changes nothing. */
async function revert(batch: Batch, results: readonly QuotaResult[], culprit: number): Promise<readonly QuotaResult[]> {
  const changed = new Set(results.flatMap((result) => (result.changed ? [result.id] : [])))
  const changes = batch.changeSet.changes.filter(({ id, from }) => changed.has(id) && from !== undefined)
  const back = changes.length === 0 ? [] : await write(batch, changes, ({ from, to }) => from ?? to)
  const errors = new Map(back.map(({ id, error }) => [id, error]))
  return results.map(({ target, id, error }) => ({
    target,
    id,
    changed: errors.get(id) !== undefined,
    error: errors.get(id) ?? error ?? cancelledBy(culprit, id),
  }))
}

function cancelledBy(culprit: number, id: number): QuotaError {
  return new QuotaError('QUOTA_REFUSED', {
    operation: 'set the limits of',
    target: String(id),
    detail: `the batch is atomic, and the limits of id ${culprit} cannot be set; correct that item`,
  })
}
