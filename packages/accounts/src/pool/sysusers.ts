import type { Slot, SlotLayout } from '../slots.ts'

/**
 * Renders sysusers.d(5) lines for the shared group and any number of slots. Pure.
 *
 * Every group has its own `g` line. Without that line `u name uid:gid` creates nothing, or uses another group, and the tool still ends with
 * exit code 0. Without `groupGid`, sysusers chooses a gid for a missing shared group.
 */
export function renderSysusers(layout: SlotLayout, slots: readonly Slot[], groupGid?: number): string {
  const shared = `g ${layout.group} ${groupGid ?? '-'}\n`
  return shared + slots.map((slot) => renderSlot(layout, slot)).join('')
}

function renderSlot({ group, shell }: SlotLayout, { user, uid, gid, home }: Slot): string {
  return `g ${user} ${gid}\nu ${user} ${uid}:${gid} "Puppy tenant" ${home} ${shell}\nm ${user} ${group}\n`
}
