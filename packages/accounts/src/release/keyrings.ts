import { findTool, HostError, installStep, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { isAbort } from '../abort.ts'
import { findProgram } from '../program.ts'
import type { Slot } from '../slots.ts'

/** Gid of a group that no user is a member of, so that no other program of the tenant can trace a program that has it. */
const nogroup = 65_534

/**
 * Parses `/proc/key-users`: the uids that own keys. Pure.
 *
 * ```text
 *  10000:     3 3/3 2/200 42/20000
 * ```
 *
 * @see proc_key-users(5)
 */
export function parseKeyUsers(text: string): ReadonlySet<number> {
  return new Set(
    text
      .split('\n')
      .flatMap((line) => /^ {0,9}(\d{1,10}): /.exec(line)?.[1] ?? [])
      .map(Number),
  )
}

/**
 * Parses `/proc/keys` as a user sees it. Returns what is in the keyrings of a uid that outlive its processes: `_uid.10000: 2`. Pure.
 *
 * ```text
 * 1f8c2a3b I--Q---     4 perm 1f3f0000 10000 65534 keyring   _uid.10000: empty
 * 2b1c0d9e I------     1 perm 3f010000 10000 10000 user      a key of the tenant: 12
 * ```
 *
 * @see proc_keys(5), user-keyring(7), user-session-keyring(7), persistent-keyring(7)
 */
export function parseKeyrings(text: string, uid: number): readonly string[] {
  const form =
    /^[0-9a-f]{8} \S+ +\d+ +\S+ +[0-9a-f]{8} +(\d+) +\d+ keyring +(_(?:uid|uid_ses|persistent)\.(\d+)): (\S+)$/
  return text.split('\n').flatMap((line) => {
    const [, owner, name, of, content] = form.exec(line) ?? []
    return Number(owner) === uid && Number(of) === uid && content !== 'empty' ? [`${name}: ${content}`] : []
  })
}

/**
 * Empties the keyrings of tenants that outlive their processes. Returns what is left of each, by uid. Does nothing for a uid without keys.
 *
 * The user keyring belongs to the real uid of a program, so keyctl(1) runs with the uid of the tenant, without any other process of it. In
 * the user session keyring there is a link to the user keyring, which is removed too. Only root empties a persistent keyring.
 */
export async function clearKeyrings(
  machine: Host,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<ReadonlyMap<number, readonly string[]>> {
  const owners = parseKeyUsers((await machine.read('/proc/key-users')) ?? '')
  const left = new Map<number, readonly string[]>()
  for (const { uid } of slots.filter((slot) => owners.has(slot.uid))) left.set(uid, await clear(machine, uid, options))
  return left
}

async function clear(machine: Host, uid: number, options: EffectOptions): Promise<readonly string[]> {
  const keyctl = findTool(machine, 'keyctl')
  const run = (...command: readonly [string, ...string[]]) =>
    machine.run(
      [findProgram(machine, 'setpriv'), `--reuid=${uid}`, `--regid=${nogroup}`, '--clear-groups', '--', ...command],
      runOptions('machine', { ...options, timeout: 5000 }, { daemon: true, accept: [0, 1] }),
    )
  try {
    const before = parseKeyrings((await run(findProgram(machine, 'cat'), '/proc/keys')).stdout, uid)
    if (before.length === 0) return []
    if (keyctl === undefined) return [`keys in ${before.join(', ')}; to remove them: ${installStep('keyctl')}`]
    if (before.some((keyring) => keyring.startsWith('_persistent.')))
      await clearPersistent(machine, keyctl, uid, options)
    for (const keyring of ['@us', '@u']) await run(keyctl, 'clear', keyring)
    const after = parseKeyrings((await run(findProgram(machine, 'cat'), '/proc/keys')).stdout, uid)
    return after.length === 0 ? [] : [`keys in ${after.join(', ')}`]
  } catch (error) {
    if (!(error instanceof HostError) || isAbort(error)) throw error
    return [`keys: ${error.message}`]
  }
}

/**
 * Empties the persistent keyring of a uid. Only a process that possesses a keyring may clear it, which root does while it is linked to the
 * session keyring of its program. So one session links and clears it: keyctl(1) opens the session, and in it xargs(1) runs keyctl for each
 * line.
 *
 * @see keyrings(7) about possession
 */
async function clearPersistent(machine: Host, keyctl: string, uid: number, options: EffectOptions): Promise<void> {
  const inSession = (words: readonly string[], input?: string) =>
    machine.run(
      [keyctl, 'session', '-', ...words],
      runOptions(
        'machine',
        { ...options, timeout: 5000 },
        { accept: [0, 1, 123], ...(input === undefined ? {} : { input }) },
      ),
    )
  const id = (await inSession([keyctl, 'get_persistent', '@s', `${uid}`])).stdout.trim()
  if (!/^\d+$/.test(id)) return
  await inSession([findProgram(machine, 'xargs'), '--max-lines=1', keyctl], `get_persistent @s ${uid}\nclear ${id}\n`)
}
