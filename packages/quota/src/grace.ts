import type { Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import { assertId, type QuotaKind } from './limits.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { letters, readAll } from './read.ts'
import { emptyReading, type QuotaReading } from './report.ts'
import type { Grace } from './state.ts'
import { offError } from './support.ts'
import { readState, type Volume } from './volume.ts'

export interface GraceSet {
  readonly changed: boolean
  readonly grace: Grace
}

/** What the kernel keeps in 32 bits on XFS. */
const maxGrace = 0x7fff_ffff

/** Sets the grace times of a kind and reads them back; nothing is run when they are so already. */
export async function setGrace(
  host: Host,
  volume: Volume,
  kind: QuotaKind,
  wanted: Partial<Grace>,
  options: EffectOptions,
): Promise<GraceSet> {
  const operation = `set the grace times of ${kind}s on`
  const target = volume.mount.mountPoint
  assertGrace(wanted, operation, target)
  const read = async (): Promise<Grace> => {
    const { state } = await readState(host, volume, options)
    const error = offError(operation, volume.mount, kind, state, 'accounting')
    if (error !== undefined) throw error
    return state[kind].grace ?? { bytes: 0, inodes: 0 }
  }
  const before = await read()
  const after = { ...before, ...wanted }
  const same = (one: Grace, other: Grace) => one.bytes === other.bytes && one.inodes === other.inodes
  if (same(before, after)) return { changed: false, grace: before }
  const words = [letters[kind], '-t', String(after.bytes), String(after.inodes), '--', target]
  await runProgram(host, ['setquota', ...words], { ...bounded(options), touches: 'machine', operation, target })
  const grace = await read()
  if (same(grace, after)) return { changed: true, grace }
  throw new QuotaError('QUOTA_MISMATCH', {
    operation,
    target,
    value: JSON.stringify(after),
    detail: `it reads ${JSON.stringify(grace)} afterwards`,
  })
}

function assertGrace(wanted: Partial<Grace>, operation: string, target: string): void {
  for (const [name, seconds] of Object.entries(wanted)) {
    if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= maxGrace) continue
    const detail = `${name}: whole seconds from 1 to ${maxGrace}`
    throw new QuotaError('QUOTA_INVALID', { operation, target, value: String(seconds), detail })
  }
}

interface WantedGrace {
  readonly kind: QuotaKind
  readonly id: number
  readonly grace: Partial<Grace>
}

/** Seconds that the end may be off: the tool, the kernel and we look at the clock one after the other. */
const blur = 60

/** Lets the running grace times of one id end so many seconds from now, and reads them back. */
export async function setGraceOf(
  host: Host,
  volume: Volume,
  { kind, id, grace }: WantedGrace,
  options: EffectOptions,
): Promise<QuotaReading> {
  const operation = `set the grace time of ${kind}`
  const target = String(id)
  assertId(id)
  assertGrace(grace, operation, target)
  const read = async () => (await readAll(host, volume, kind, options)).find((one) => one.id === id) ?? emptyReading(id)
  const before = await read()
  for (const name of ['bytes', 'inodes'] as const) {
    if (grace[name] === undefined || before[name].graceEnds !== undefined) continue
    const detail = `no grace time of ${name} runs: use is not above a soft limit`
    throw new QuotaError('QUOTA_INVALID', { operation, target, value: String(grace[name]), detail })
  }
  // What does not run is left alone by the tool, which says so and goes on.
  const words = (['bytes', 'inodes'] as const).map((name) => String(grace[name] ?? before[name].graceLeft ?? 0))
  const { mountPoint } = volume.mount
  await runProgram(host, ['setquota', letters[kind], '-T', target, ...words, '--', mountPoint], {
    ...bounded(options),
    touches: 'machine',
    operation,
    target,
  })
  const after = await read()
  for (const name of ['bytes', 'inodes'] as const) {
    const wish = grace[name]
    const left = after[name].graceLeft
    if (wish === undefined || (left !== undefined && left <= wish && left >= wish - blur)) continue
    throw new QuotaError('QUOTA_MISMATCH', {
      operation,
      target,
      value: String(wish),
      detail: `${left ?? 'none'} of ${name} is left afterwards`,
    })
  }
  return after
}
