import { slotAt, slotCount, type SlotLayout } from '@puppy/accounts'
import type { Meter, Quota } from '@puppy/quota'
import type { Database } from '@puppy/state'
import { listOccupants } from '@puppy/state/store/slots'
import { recordOthers } from '@puppy/state/store/record'
import { forgetDisk, recordDisk, type DiskMeter } from '@puppy/state/store/usage'

/** Where disk use is read. */
export interface DiskSource {
  readonly layout: SlotLayout
  readonly quota: Pick<Quota, 'report'>
}

/**
 * Records the disk use of accounts on the file system of the homes, and their limits. Reads one report for all accounts.
 *
 * Without a source, deletes the recorded figures, because they may be out of date.
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
  await recordOthers(
    database,
    readings.flatMap(({ bytes, inodes }, at) => {
      const account = occupants[at]?.account
      return account === undefined ? [] : [{ account, disk: { bytes: diskMeter(bytes), inodes: diskMeter(inodes) } }]
    }),
    recordDisk,
  )
}

function diskMeter({ used, hard }: Meter): DiskMeter {
  return { used, ...(hard === 'none' ? {} : { limit: hard }) }
}
