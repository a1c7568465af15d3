import type { EffectOptions, Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import { letters, type QuotaKind } from './limits.ts'
import { runProgram } from './program.ts'
import { parseReport, parseReportLines, type QuotaReading } from './report.ts'
import { offError } from './support.ts'
import { readState, type Volume } from './volume.ts'

/** Reads every id of one kind with one repquota. @throws QuotaError `QUOTA_OFF`, `QUOTA_UNREADABLE`, … */
export async function readAll(
  host: Host,
  volume: Volume,
  kind: QuotaKind,
  options: EffectOptions,
): Promise<readonly QuotaReading[]> {
  return parseReport(kind, await runReport(host, volume, kind, options), now())
}

/** Reads every id of one kind and yields one reading at a time, so that only the text is in memory, not a million readings. */
export async function* readEach(
  host: Host,
  volume: Volume,
  kind: QuotaKind,
  options: EffectOptions,
): AsyncGenerator<QuotaReading, void> {
  yield* parseReportLines(kind, await runReport(host, volume, kind, options), now())
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

async function runReport(host: Host, volume: Volume, kind: QuotaKind, options: EffectOptions): Promise<string> {
  const { mountPoint } = volume.mount
  const operation = `read the ${kind} quotas of`
  try {
    const { stdout } = await runProgram(
      host,
      ['repquota', letters[kind], '-v', '-n', '-p', '-O', 'csv', '--', mountPoint],
      { ...options, touches: 'nothing', operation, target: mountPoint },
    )
    return stdout
  } catch (error) {
    throw await explained(error, host, volume, kind, options)
  }
}

/** Writes pending data of this one file system to disk. @see sync(1) */
export async function sync(host: Host, { mount: { mountPoint } }: Volume, options: EffectOptions): Promise<void> {
  await runProgram(host, ['sync', '-f', '--', mountPoint], {
    ...options,
    touches: 'nothing',
    operation: 'sync the file system',
    target: mountPoint,
  })
}

/**
 * Returns the error to report for a tool that failed. When quota of a kind is off, the tools print only that not all mounts have quota.
 * So after a failure this reads the state from the kernel.
 */
export async function explained(
  error: unknown,
  host: Host,
  volume: Volume,
  kind: QuotaKind,
  options: EffectOptions,
): Promise<unknown> {
  if (!(error instanceof QuotaError) || error.code !== 'QUOTA_REFUSED') return error
  const { state } = await readState(host, volume, options)
  return offError(error.facts.operation, volume.mount, kind, state, 'accounting') ?? error
}
