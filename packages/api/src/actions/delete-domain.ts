import type { Database } from '../database/pool.ts'
import { writeAudit, type Actor } from '../store/audit.ts'
import { findDomain, markDomainsDeleted } from '../store/domains.ts'
import { notify, wanted } from '../store/notify.ts'

/** Marks a domain of this reseller deleted. Gives its id, or undefined when there was none. */
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
