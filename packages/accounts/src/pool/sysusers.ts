import type { Slot, SlotLayout } from '../slots.ts'

/**
 * Renders sysusers.d(5) lines for the shared group and any number of slots.
 *
 * Every group has its own `g` line: without it `u name uid:gid` creates nothing, or uses another group, and the tool ends with 0 all the
 * same. Without `groupGid` sysusers chooses a gid for a shared group that does not exist. Pure.
 */
export function renderSysusers(layout: SlotLayout, slots: readonly Slot[], groupGid?: number): string {
  const shared = `g ${layout.group} ${groupGid ?? '-'}\n`
  return shared + slots.map((slot) => renderSlot(layout, slot)).join('')
}

function renderSlot({ group, shell }: SlotLayout, { user, uid, gid, home }: Slot): string {
  return `g ${user} ${gid}\nu ${user} ${uid}:${gid} "Puppy tenant" ${home} ${shell}\nm ${user} ${group}\n`
}
