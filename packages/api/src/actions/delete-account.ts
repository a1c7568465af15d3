import type { Database } from '../database/pool.ts'
import { findAccount, markAccountDeleted, type AccountName } from '../store/accounts.ts'
import { writeAudit, type Actor } from '../store/audit.ts'
import { markDomainsDeleted } from '../store/domains.ts'
import { notify, wanted } from '../store/notify.ts'
import { releaseSlot } from '../store/slots.ts'

/** Marks an account and its domains deleted and lets go of its slot. Gives its id, or undefined when there was none. */
export async function removeAccount(db: Database, actor: Actor, who: AccountName): Promise<number | undefined> {
  return db.transaction(async (tx) => {
    const account = await findAccount(tx, who, true)
    if (account === undefined) return undefined
    await markDomainsDeleted(tx, { account: account.id })
    if (account.slot !== null) await releaseSlot(tx, account.host, account.slot)
    await markAccountDeleted(tx, account.id)
    await writeAudit(tx, actor, { action: 'account.delete', target: `${who.reseller}/${who.name}` })
    await notify(tx, wanted, account.host)
    return account.id
  })
}
