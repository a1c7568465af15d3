import type { Host } from '@puppy/host'
import { QuotaError } from './errors.ts'
import type { QuotaKind } from './limits.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { letters } from './read.ts'
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
  for (const [name, seconds] of Object.entries(wanted)) {
    if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= maxGrace) continue
    const detail = `${name}: whole seconds from 1 to ${maxGrace}`
    throw new QuotaError('QUOTA_INVALID', { operation, target, value: String(seconds), detail })
  }
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
