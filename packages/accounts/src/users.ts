import { HostError, runOptions, type EffectOptions, type Host } from '@puppy/host'
import { parseGroup, parsePasswd, parseShadow, type GroupEntry, type PasswdEntry, type ShadowEntry } from './passwd.ts'
import { findProgram } from './program.ts'
import type { Slot, SlotLayout } from './slots.ts'

/** Keys for one run of `getent`, far below the argument limit of the kernel. */
const keysAtOnce = 8192

/**
 * Reads the users with the name or uid of a slot.
 *
 * On a live host `getent` looks up many single keys in one process, so users of a directory service are found and the directory is never
 * enumerated. Below a root folder the passwd file is read, with all its users.
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

/**
 * Reads the groups with the name or gid of a slot, the shared group, and the group with the gid of the shared group, as `readUsers` does.
 */
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

/** getent(1) prints what it finds. Exit code 2: a key was not found, which is the usual case. */
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

/** Reads shadow(5). Returns undefined without permission: planning continues without it, and applying reads it again as root. */
export async function readShadow(host: Host): Promise<readonly ShadowEntry[] | undefined> {
  try {
    return parseShadow((await host.read('/etc/shadow')) ?? '')
  } catch (error) {
    if (error instanceof HostError && error.facts.errno === 'EACCES') return undefined
    throw error
  }
}
