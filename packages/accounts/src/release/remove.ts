import { isDeepStrictEqual } from 'node:util'
import { HostError, runOptions, type EffectOptions, type Host, type ItemResult, type Tool } from '@puppy/host'
import { assertNotAborted, isAbort } from '../abort.ts'
import { AccountError } from '../errors.ts'
import { environmentFolder, keysFolder, lingerFolder, releasedFolder } from '../login/read.ts'
import { readStates, slotBlocked, type SlotState } from '../pool/judge.ts'
import { readSlots } from '../pool/read.ts'
import { findProgram, prefixArguments } from '../program.ts'
import { isSafeFolder } from '../safe-folder.ts'
import { assertSlots, type Slot, type SlotLayout } from '../slots.ts'

/** The result for one slot. Its target is the user name. */
export interface RemoveResult extends ItemResult<AccountError> {
  readonly n: number
}

const operation = 'remove the slot'

/**
 * Removes slots: login files, home, user and private group, and the shared group when it has no members.
 *
 * Needs root. Call `evict` and `scrub` first: userdel refuses a user with running processes. A slot that is not exactly as the pool creates
 * it is not changed, and its result has `ACCOUNT_SLOT_BLOCKED`. Everything is read back. Idempotent: a second call completes an interrupted
 * one. Takes about 30 ms for each slot, because userdel takes one name.
 *
 * @throws TypeError, RangeError for slots of another layout; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError when nothing can be done for
 *   any slot.
 * @see userdel(8), groupdel(8)
 */
export async function removeSlots(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<readonly RemoveResult[]> {
  assertSlots(layout, slots)
  const before = await readStates(host, layout, slots, options)
  const safe =
    (await isSafeFolder(host, '/etc')) &&
    (host.live || !(await exists(host, layout.homes)) || (await isSafeFolder(host, layout.homes)))
  const ours = slots.filter(({ n }) => safe && before.get(n)!.block === undefined && isThere(before.get(n)!))
  const failures = new Map<number, HostError>()
  await removeHomes(host, ours, options)
  for (const slot of ours) await removeAccount(host, slot, failures, options)
  const after = await readStates(host, layout, slots, options)
  await removeSharedGroup(host, layout, options)
  return slots.map((slot): RemoveResult => {
    const [was, is] = [before.get(slot.n)!, after.get(slot.n)!]
    const error = errorOf(slot, { safe, was, is, failure: failures.get(slot.n) })
    const changed = ours.includes(slot) && (!isDeepStrictEqual(was, is) || failures.has(slot.n))
    return { n: slot.n, target: slot.user, changed, ...(error === undefined ? {} : { error }) }
  })
}

interface Outcome {
  readonly safe: boolean
  readonly was: SlotState
  readonly is: SlotState
  readonly failure: HostError | undefined
}

function errorOf(slot: Slot, { safe, was, is, failure }: Outcome): AccountError | undefined {
  const facts = { operation, target: slot.user }
  if (!safe) {
    const detail = 'a symbolic link leads out of the root folder; remove the link'
    return new AccountError('ACCOUNT_PATH_UNSAFE', { ...facts, detail })
  }
  if (was.block !== undefined) return slotBlocked(operation, slot, was.block)
  if (failure === undefined && !isThere(is)) return undefined
  const detail = failure?.message ?? 'its user, group or home still exists'
  return new AccountError('ACCOUNT_NOT_APPLIED', { ...facts, detail, cause: failure })
}

function isThere({ hasUser, hasGroup, home }: SlotState): boolean {
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
  failures: Map<number, HostError>,
  options: EffectOptions,
): Promise<void> {
  assertNotAborted(options, 'remove slots')
  try {
    for (const folder of [keysFolder, environmentFolder, releasedFolder, lingerFolder])
      await host.remove(`${folder}/${user}`)
    await runShadowTool(host, 'userdel', user, options)
    await runShadowTool(host, 'groupdel', user, options)
  } catch (error) {
    if (!(error instanceof HostError) || isAbort(error)) throw error
    failures.set(n, error)
  }
}

/** Exit code 6: the user or group does not exist. userdel also removes the private group. */
async function runShadowTool(
  host: Host,
  name: Tool & ('userdel' | 'groupdel'),
  object: string,
  options: EffectOptions,
) {
  const command = [findProgram(host, name), ...prefixArguments(host), object] as const
  await host.run([...command], runOptions('files', options, { accept: [0, 6] }))
}

async function removeSharedGroup(host: Host, layout: SlotLayout, options: EffectOptions): Promise<void> {
  const { groups } = await readSlots(host, layout, [], options)
  const shared = groups.find(({ name }) => name === layout.group)
  if (shared?.members.length === 0) await runShadowTool(host, 'groupdel', layout.group, options)
}
