import { HostError, type Host } from '@puppy/host'
import type { EffectOptions } from '../change.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'
import { environmentFolder, keysFolder } from '../login/logins.ts'
import { indexPool, judgeSlot } from '../pool/judge.ts'
import { readPool } from '../pool/read.ts'
import { findProgram, isSafeFolder, runOptions, type Program } from '../program.ts'

/** What became of one slot that was to go. */
export interface RemoveResult {
  readonly n: number
  readonly status: 'removed' | 'failed'
  /** False: there was nothing. */
  readonly changed: boolean
  readonly message?: string
}

/**
 * Removes slots for good: login files, home, user and private group, and with the last member the shared group.
 *
 * Needs root. Call `evict` and `scrub` first: userdel refuses a user that still has processes. A slot that does not
 * look exactly like ours is left alone and has failed. All is read back; calling it again finishes what was begun.
 * About 30 ms for each slot: userdel takes one name.
 *
 * @throws TypeError, RangeError for slots that are not of the layout; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError
 *   when nothing can be done for any slot.
 * @see userdel(8), groupdel(8)
 */
export async function removeSlots(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<readonly RemoveResult[]> {
  assertSlots(layout, slots)
  const before = await verdicts(host, layout, slots, options)
  const safe =
    (await isSafeFolder(host, '/etc')) &&
    (host.live || !(await exists(host, layout.homes)) || (await isSafeFolder(host, layout.homes)))
  const ours = slots.filter(({ n }) => safe && before.get(n)!.block === undefined && isThere(before.get(n)!))
  const failures = new Map<number, string>()
  await removeHomes(host, ours, options)
  for (const slot of ours) await removeAccount(host, slot, failures, options)
  const after = await verdicts(host, layout, slots, options)
  await removeSharedGroup(host, layout, options)
  return slots.map(({ n }): RemoveResult => {
    const message =
      (safe ? undefined : 'a link leads out of the root folder') ?? before.get(n)!.block?.message ?? failures.get(n)
    if (message !== undefined) return { n, status: 'failed', changed: failures.has(n), message }
    if (isThere(after.get(n)!))
      return { n, status: 'failed', changed: true, message: 'its user, group or home is still there' }
    return { n, status: 'removed', changed: isThere(before.get(n)!) }
  })
}

type Verdicts = Awaited<ReturnType<typeof verdicts>>

async function verdicts(host: Host, layout: SlotLayout, slots: readonly Slot[], options: EffectOptions) {
  const index = indexPool(await readPool(host, layout, slots, options))
  return new Map(slots.map((slot) => [slot.n, judgeSlot(slot, index)]))
}

function isThere({ hasUser, hasGroup, home }: NonNullable<ReturnType<Verdicts['get']>>): boolean {
  return hasUser || hasGroup || home !== 'absent'
}

async function exists(host: Host, path: string): Promise<boolean> {
  return (await host.status(path)) !== undefined
}

async function removeHomes(host: Host, slots: readonly Slot[], options: EffectOptions): Promise<void> {
  const homes = await Promise.all(slots.map(async ({ home }) => ((await exists(host, home)) ? [host.path(home)] : [])))
  if (homes.flat().length === 0) return
  const command = [findProgram(host, 'rm'), '-rf', '--one-file-system', '--', ...homes.flat()] as const
  await host.run([...command], runOptions('files', options, { accept: [0, 1] }))
}

async function removeAccount(
  host: Host,
  { n, user }: Slot,
  failures: Map<number, string>,
  options: EffectOptions,
): Promise<void> {
  try {
    for (const folder of [keysFolder, environmentFolder, '/var/lib/systemd/linger'])
      await host.remove(`${folder}/${user}`)
    await runShadowTool(host, 'userdel', user, options)
    await runShadowTool(host, 'groupdel', user, options)
  } catch (error) {
    if (!(error instanceof HostError) || error.code === 'HOST_ABORTED') throw error
    failures.set(n, error.message)
  }
}

/** 6: there is no such user or group, as when userdel took the private group along. */
async function runShadowTool(
  host: Host,
  name: Program & ('userdel' | 'groupdel'),
  object: string,
  options: EffectOptions,
) {
  const where = host.live ? [] : ['--prefix', host.root]
  await host.run([findProgram(host, name), ...where, object], runOptions('files', options, { accept: [0, 6] }))
}

async function removeSharedGroup(host: Host, layout: SlotLayout, options: EffectOptions): Promise<void> {
  const { groups } = await readPool(host, layout, [], options)
  const shared = groups.find(({ name }) => name === layout.group)
  if (shared?.members.length === 0) await runShadowTool(host, 'groupdel', layout.group, options)
}
