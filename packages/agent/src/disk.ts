import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import type { Meter, Quota } from '@puppy/quota'
import type { Database } from '@puppy/state'
import { listOccupants } from '@puppy/state/store/slots'
import { forgetDisk, recordDisk, type DiskMeter } from '@puppy/state/store/usage'

/** Where disk use is counted. */
export interface DiskSource {
  readonly layout: SlotLayout
  readonly quota: Pick<Quota, 'report'>
}

/**
 * Records what accounts keep on the file system of the homes, and their limits there. One report reads all.
 *
 * Nobody counts where there is no source: then what was recorded is forgotten, because it may be true no longer.
 *
 * @throws QuotaError
 */
export async function sampleDisk(
  database: Database,
  host: string,
  source: DiskSource | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (source === undefined) return forgetDisk(database, host)
  const { layout, quota } = source
  const occupants = (await listOccupants(database, host)).filter(({ slot }) => slot < slotCount(layout))
  if (occupants.length === 0) return
  const uids = occupants.map(({ slot }) => slotAt(layout, slot).uid)
  const readings = await quota.report(uids, { signal, timeout: 10_000 })
  await recordDisk(
    database,
    readings.flatMap(({ bytes, inodes }, at) => {
      const account = occupants[at]?.account
      return account === undefined ? [] : [{ account, disk: { bytes: diskMeter(bytes), inodes: diskMeter(inodes) } }]
    }),
  )
}

function diskMeter({ used, hard }: Meter): DiskMeter {
  return { used, ...(hard === 'none' ? {} : { limit: hard }) }
}
