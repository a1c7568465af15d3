import type { Host } from '@puppy/host'
import { renderBatch, saidOf } from './batch.ts'
import { QuotaError } from './errors.ts'
import { limitsOf, sameLimits, type BothLimits, type QuotaChange, type QuotaPlan } from './plan.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { explained, letters, readAll } from './read.ts'
import { emptyReading, type QuotaReading } from './report.ts'
import type { Volume } from './volume.ts'

/** What became of one id. */
export interface SetResult {
  readonly id: number
  readonly changed: boolean
  /** What was read back; absent when nothing was run for it. */
  readonly reading?: QuotaReading
  readonly error?: QuotaError
}

export interface Applied {
  readonly changed: boolean
  /** One for each item: those that changed, then those that have it already, then the refused ones. */
  readonly results: readonly SetResult[]
}

interface ApplyOptions extends EffectOptions {
  readonly atomic?: boolean
}

/** Sets and reads back; the volume is needed only when something changes. */
export async function applyPlan(
  host: Host,
  volume: Volume | undefined,
  plan: QuotaPlan,
  options: ApplyOptions,
): Promise<Applied> {
  const rest: readonly SetResult[] = [
    ...plan.unchanged.map((id) => ({ id, changed: false })),
    ...plan.refused.map(({ id, error }) => ({ id, changed: false, error })),
  ]
  const [first] = plan.refused
  if (options.atomic === true && first !== undefined) {
    const spoiled = plan.changes.map(({ id }) => ({ id, changed: false, error: spoiledBy(first.id, id) }))
    return { changed: false, results: [...spoiled, ...rest] }
  }
  if (volume === undefined || plan.changes.length === 0) return { changed: false, results: rest }
  const run: Run = { host, volume, plan, options }
  const results = await write(run, plan.changes, (change) => change.after)
  const failed = results.find(({ error }) => error !== undefined)
  if (options.atomic !== true || failed === undefined)
    return { changed: results.some(({ changed }) => changed), results: [...results, ...rest] }
  return { changed: false, results: [...(await putBack(run, results, failed.id)), ...rest] }
}

interface Run {
  readonly host: Host
  readonly volume: Volume
  readonly plan: QuotaPlan
  readonly options: EffectOptions
}

async function write(
  { host, volume, plan, options }: Run,
  changes: readonly QuotaChange[],
  wanted: (change: QuotaChange) => BothLimits,
): Promise<readonly SetResult[]> {
  const { mountPoint } = volume.mount
  const operation = `set the limits of ${plan.kind}s on`
  const { exitCode, stderr } = await runProgram(host, ['setquota', letters[plan.kind], '-b', '-c', '--', mountPoint], {
    ...bounded(options),
    touches: 'machine',
    input: renderBatch(changes.map((change) => ({ id: change.id, limits: wanted(change) }))),
    // 1 says that some lines were not taken, as do lines of it with 0: what is read back tells which.
    accept: [0, 1],
    operation,
    target: mountPoint,
  })
  if (exitCode !== 0 && /has no quota enabled|not using quota|are using quota/.test(stderr)) {
    const refusal = new QuotaError('QUOTA_REFUSED', { operation, target: mountPoint, said: stderr.trim() })
    throw await explained(refusal, host, volume, plan.kind, options)
  }
  const readings = new Map((await readAll(host, volume, plan.kind, options)).map((one) => [one.id, one]))
  return changes.map((change) => resultOf(change, wanted(change), readings.get(change.id), stderr, operation))
}

function resultOf(
  { id, before }: QuotaChange,
  wanted: BothLimits,
  found: QuotaReading | undefined,
  stderr: string,
  operation: string,
): SetResult {
  const reading = found ?? emptyReading(id)
  const limits = limitsOf(reading)
  // Of one that nobody looked at before, what was written counts as changed.
  const changed = before === undefined ? sameLimits(limits, wanted) : !sameLimits(limits, before)
  if (sameLimits(limits, wanted)) return { id, changed, reading }
  // When the kernel does not give it an id at all (a full disk), setquota stops, whatever -c says: its words are about that id
  // then, and those after it were not tried.
  const said = saidOf(id, stderr) ?? stderr.trim().slice(-1000)
  const error = new QuotaError(said === '' ? 'QUOTA_MISMATCH' : 'QUOTA_REFUSED', {
    operation,
    target: String(id),
    value: JSON.stringify(wanted),
    detail: `it reads ${JSON.stringify(limits)} afterwards`,
    said,
  })
  return { id, changed, reading, error }
}

/** Gives those that changed what they had, so that a batch that is all or nothing is nothing. */
async function putBack(run: Run, results: readonly SetResult[], culprit: number): Promise<readonly SetResult[]> {
  const changed = new Set(results.flatMap((result) => (result.changed ? [result.id] : [])))
  const changes = run.plan.changes.filter(({ id, before }) => changed.has(id) && before !== undefined)
  const back = changes.length === 0 ? [] : await write(run, changes, ({ before, after }) => before ?? after)
  const errors = new Map(back.map(({ id, error }) => [id, error]))
  return results.map(({ id, error }) => ({
    id,
    changed: errors.get(id) !== undefined,
    error: errors.get(id) ?? error ?? spoiledBy(culprit, id),
  }))
}

function spoiledBy(culprit: number, id: number): QuotaError {
  return new QuotaError('QUOTA_REFUSED', {
    operation: 'set the limits of',
    target: String(id),
    detail: `the batch is all or nothing, and ${culprit} cannot be set`,
  })
}
