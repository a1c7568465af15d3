import type { Database } from '@puppy/state'
import { findAccount, markAccountDeleted, type AccountName } from '@puppy/state/store/accounts'
import { writeAudit, type Actor } from '@puppy/state/store/audit'
import { markDomainsDeleted } from '@puppy/state/store/domains'
import { notify, wanted } from '@puppy/state/store/notify'
import { releaseSlot } from '@puppy/state/store/slots'

/** Marks an account and its domains deleted and releases its slot. Returns its id, or undefined if it does not exist. */
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
