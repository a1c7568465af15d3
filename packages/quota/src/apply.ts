import type { Applied, EffectOptions, Host, ItemResult } from '@puppy/host'
import { renderBatch, saidOf } from './batch.ts'
import { QuotaError } from './errors.ts'
import { letters, sameLimits, type BothLimits } from './limits.ts'
import { targetOf, type QuotaChange, type QuotaChangeSet } from './plan.ts'
import { runProgram } from './program.ts'
import { explained, readAll } from './read.ts'
import { emptyReading, limitsOf, type QuotaReading } from './report.ts'
import { movedError, type Volume } from './volume.ts'

/** What became of one id. */
export interface QuotaResult extends ItemResult<QuotaError> {
  readonly id: number
  /** What was read back. Absent when nothing was written for it. */
  readonly reading?: QuotaReading
}

/** What became of a change set. Results come in this order: the changes, the unchanged items, the refused ones. */
export type QuotaApplied = Applied<QuotaResult, QuotaChange>

export interface ApplyOptions extends EffectOptions {
  /** When one item cannot be set, none is. When the kernel did not take one, the others get back what they had. */
  readonly atomic?: boolean
}

/** Sets the limits of a change set in one batch and reads them back. Without changes nothing is run and no volume is looked for. */
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
    // 1 means that the kernel did not take some lines, and so may 0: what is read back decides.
    accept: [0, 1],
    operation,
    target: mountPoint,
  })
  if (exitCode !== 0 && /has no quota enabled|not using quota|are using quota/.test(stderr)) {
    const refusal = new QuotaError('QUOTA_REFUSED', { operation, target: mountPoint, said: stderr.trim() })
    throw await explained(refusal, host, volume, kind, options)
  }
  const readings = new Map((await readAll(host, volume, kind, options)).map((one) => [one.id, one]))
  return changes.map((change) => resultOf(change, limitsFor(change), readings.get(change.id), stderr, operation))
}

function resultOf(
  { target, id, from }: QuotaChange,
  to: BothLimits,
  found: QuotaReading | undefined,
  stderr: string,
  operation: string,
): QuotaResult {
  const reading = found ?? emptyReading(id)
  const limits = limitsOf(reading)
  // Without a previous reading, every written item counts as changed.
  const changed = from === undefined ? sameLimits(limits, to) : !sameLimits(limits, from)
  if (sameLimits(limits, to)) return { target, id, changed, reading }
  // When the kernel has no room for an id at all (a full disk), setquota stops in spite of -c. What it prints is about that id
  // then, and it did not try those after it.
  const said = saidOf(id, stderr) ?? stderr.trim().slice(-1000)
  const error = new QuotaError(said === '' ? 'QUOTA_MISMATCH' : 'QUOTA_REFUSED', {
    operation,
    target: String(id),
    value: JSON.stringify(to),
    detail: `it reads ${JSON.stringify(limits)} afterwards`,
    said,
  })
  return { target, id, changed, reading, error }
}

/** Writes back what the changed ids had before, so that an atomic batch that failed changes nothing. */
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
    detail: `the batch is all or nothing, and ${culprit} cannot be set`,
  })
}
