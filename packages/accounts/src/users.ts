import { HostError, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { parseGroup, parsePasswd, parseShadow, type GroupEntry, type PasswdEntry, type ShadowEntry } from './passwd.ts'
import { findProgram } from './program.ts'
import type { Slot, SlotLayout } from './slots.ts'

/** Keys for one `getent`. The kernel's limit on arguments is far higher. */
const keysAtOnce = 8192

/**
 * Reads the users that have a slot's name or uid.
 *
 * On the machine itself `getent` looks up single keys, many in one process, so that a directory service answers too and is never
 * enumerated. Below a root folder the file is read, with every user in it.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError `HOST_READ_FAILED`, `HOST_PROGRAM_FAILED`, `HOST_TIMEOUT`.
 */
export async function readUsers(
  host: Host,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<readonly PasswdEntry[]> {
  if (!host.live) return parsePasswd((await host.read('/etc/passwd')) ?? '')
  const keys = slots.flatMap(({ user, uid }) => [user, `${uid}`])
  return parsePasswd(await getent(host, 'passwd', keys, options))
}

/** Reads the groups that have a slot's name or gid, the shared group and the group with its gid, as `readUsers` does. */
export async function readGroups(
  host: Host,
  layout: SlotLayout,
  slots: readonly Slot[],
  options: EffectOptions = {},
): Promise<readonly GroupEntry[]> {
  if (!host.live) return parseGroup((await host.read('/etc/group')) ?? '')
  const keys = slots.flatMap(({ user, gid }) => [user, `${gid}`])
  return parseGroup(await getent(host, 'group', [layout.group, `${layout.firstUid - 1}`, ...keys], options))
}

/** getent(1) prints what it finds and ends with 2 when a key is missing, which is the usual case. */
async function getent(host: Host, database: string, keys: readonly string[], options: EffectOptions): Promise<string> {
  const program = findProgram(host, 'getent')
  let found = ''
  for (let at = 0; at < keys.length; at += keysAtOnce) {
    const some = keys.slice(at, at + keysAtOnce)
    const run = await host.run([program, database, ...some], runOptions('nothing', options, { accept: [0, 2] }))
    found += run.stdout
  }
  return found
}

/** Reads shadow(5). Undefined when this process may not: planning goes on without it, and applying reads again as root. */
export async function readShadow(host: Host): Promise<readonly ShadowEntry[] | undefined> {
  try {
    return parseShadow((await host.read('/etc/shadow')) ?? '')
  } catch (error) {
    if (error instanceof HostError && error.facts.errno === 'EACCES') return undefined
    throw error
  }
}
