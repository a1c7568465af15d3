import type { Database } from '@puppy/state'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { findDomain, markDomainsDeleted } from '@puppy/state/store/domains'
import { notify, wanted } from '@puppy/state/store/notify'

/** Marks a domain of this reseller deleted. Returns its id, or undefined if the reseller does not have it. */
export async function removeDomain(
  db: Database,
  actor: Actor,
  reseller: string,
  name: string,
): Promise<number | undefined> {
  return db.transaction(async (tx) => {
    const domain = await findDomain(tx, name, true)
    if (domain === undefined || domain.reseller !== reseller) return undefined
    await markDomainsDeleted(tx, { id: domain.id })
    await writeAudit(tx, actor, { action: 'domain.delete', target: name })
    await notify(tx, wanted, domain.host)
    return domain.id
  })
}
