import type { EffectOptions, Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import { assertId, letters, type QuotaKind } from './limits.ts'
import { runProgram } from './program.ts'
import { readAll } from './read.ts'
import { emptyReading, type QuotaReading } from './report.ts'
import type { Grace } from './state.ts'
import { offError } from './support.ts'
import { readState, type Volume } from './volume.ts'

/** The result of `setGrace`: whether it changed anything, and the grace times that were read back. */
export interface GraceSet {
  readonly changed: boolean
  readonly grace: Grace
}

/** The largest grace time. XFS keeps grace times in 32 bits. */
const maxGrace = 0x7fff_ffff

/** Sets the grace times of a kind and reads them back. If they are already as asked for, does not run setquota. */
export async function setGrace(
  host: Host,
  volume: Volume,
  kind: QuotaKind,
  spec: Partial<Grace>,
  options: EffectOptions,
): Promise<GraceSet> {
  const operation = `set the grace times of ${kind}s on`
  const target = volume.mount.mountPoint
  assertGrace(spec, operation, target)
  const read = async (): Promise<Grace> => {
    const { state } = await readState(host, volume, options)
    const error = offError(operation, volume.mount, kind, state, 'accounting')
    if (error !== undefined) throw error
    return state[kind].grace ?? { bytes: 0, inodes: 0 }
  }
  const before = await read()
  const after = { ...before, ...spec }
  const same = (one: Grace, other: Grace) => one.bytes === other.bytes && one.inodes === other.inodes
  if (same(before, after)) return { changed: false, grace: before }
  const words = [letters[kind], '-t', String(after.bytes), String(after.inodes), '--', target]
  await runProgram(host, ['setquota', ...words], { ...options, touches: 'machine', operation, target })
  const grace = await read()
  if (same(grace, after)) return { changed: true, grace }
  throw new QuotaError('QUOTA_MISMATCH', {
    operation,
    target,
    value: JSON.stringify(after),
    detail: `the grace times read back are ${JSON.stringify(grace)}; check whether another program sets them, then try again`,
  })
}

function assertGrace(spec: Partial<Grace>, operation: string, target: string): void {
  for (const [name, seconds] of Object.entries(spec)) {
    if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= maxGrace) continue
    const detail = `the grace time of ${name} must be whole seconds from 1 to ${maxGrace}`
    throw new QuotaError('QUOTA_INVALID', { operation, target, value: String(seconds), detail })
  }
}

interface GraceOfId {
  readonly kind: QuotaKind
  readonly id: number
  readonly grace: Partial<Grace>
}

/** Allowed difference in seconds, because setquota, the kernel and this library read the clock one after the other. */
const blur = 60

/** Sets the end of the running grace times of one id, in seconds from now, and reads them back. */
export async function setGraceOf(
  host: Host,
  volume: Volume,
  { kind, id, grace }: GraceOfId,
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
    const detail = `no grace time of ${name} is running, because usage is not above a soft limit`
    throw new QuotaError('QUOTA_INVALID', { operation, target, value: String(grace[name]), detail })
  }
  // setquota does not change a grace time that is not running. It prints a message and continues.
  const words = (['bytes', 'inodes'] as const).map((name) => String(grace[name] ?? before[name].graceLeft ?? 0))
  const { mountPoint } = volume.mount
  await runProgram(host, ['setquota', letters[kind], '-T', target, ...words, '--', mountPoint], {
    ...options,
    touches: 'machine',
    operation,
    target,
  })
  const after = await read()
  for (const name of ['bytes', 'inodes'] as const) {
    const asked = grace[name]
    const left = after[name].graceLeft
    if (asked === undefined || (left !== undefined && left <= asked && left >= asked - blur)) continue
    throw new QuotaError('QUOTA_MISMATCH', {
      operation,
      target,
      value: String(asked),
      detail: `the grace time of ${name} read back is ${left ?? 'none'}; old kernels cannot change it for one id on XFS`,
    })
  }
  return after
}
