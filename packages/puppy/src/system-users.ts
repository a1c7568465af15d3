import { parseGroup, parsePasswd } from '@puppy/accounts/passwd'
import type { Host } from '@puppy/host'
import type { Config } from './config.ts'
import type { SystemUser } from '@puppy/state/embedded'
import { StartError } from '@puppy/state'

/** The users of Puppy's unprivileged processes. Without root there are none: then all processes run as the same user. */
export interface SystemUsers {
  readonly postgres: SystemUser
  readonly api: SystemUser
  readonly haproxy: ProxyUser
}

/** The user that HAProxy changes to: the names for its configuration, and the uid. */
export interface ProxyUser {
  readonly user: string
  readonly group: string
  readonly uid: number
}

const own = { postgres: 'puppy-postgres', api: 'puppy-api' } as const
const lines = [
  `u ${own.postgres} - "Puppy's database" /nonexistent /usr/sbin/nologin`,
  `u ${own.api} - "Puppy's API" /nonexistent /usr/sbin/nologin`,
]

/**
 * Finds the users of Puppy's processes, and creates those that are missing. Returns undefined without root.
 *
 * For a host that is a folder, creates no user on the machine: there the database and the API run as `nobody`.
 *
 * @throws StartError when the users cannot be created.
 */
export async function ensureSystemUsers(
  machine: Host,
  config: Pick<Config, 'live' | 'privileged'>,
): Promise<SystemUsers | undefined> {
  if (!config.privileged) return undefined
  if (!config.live) {
    const nobody = await findUser(machine, 'nobody')
    if (nobody === undefined)
      throw new StartError(
        'The user nobody does not exist, and with PUPPY_ROOT the database and the API run as that user; create it',
      )
    return { postgres: nobody, api: nobody, haproxy: await proxyUser(machine) }
  }
  const found = await findOwn(machine)
  if (found !== undefined) return found
  const sysusers = machine.program('systemd-sysusers') ?? machine.program('systemd-sysusers.standalone')
  if (sysusers === undefined)
    throw new StartError(
      'Cannot create users: systemd-sysusers is not installed; run "apt-get install systemd-standalone-sysusers"',
    )
  await machine.run([sysusers, '-'], { touches: 'machine', input: `${lines.join('\n')}\n` })
  const made = await findOwn(machine)
  if (made === undefined)
    throw new StartError(
      `systemd-sysusers reported no error, but did not create the users ${own.postgres} and ${own.api}`,
    )
  return made
}

/** Finds the users of Puppy's processes. Returns undefined when one is missing. */
export async function findOwn(machine: Host): Promise<SystemUsers | undefined> {
  const [postgres, api] = await Promise.all([findUser(machine, own.postgres), findUser(machine, own.api)])
  if (postgres === undefined || api === undefined) return undefined
  return { postgres, api, haproxy: await proxyUser(machine) }
}

/** Finds the user for HAProxy's workers, which never run as root: that of its package, or else the user nobody. */
async function proxyUser(machine: Host): Promise<ProxyUser> {
  const user = (await findUser(machine, 'haproxy')) ?? (await findUser(machine, 'nobody'))
  const group = parseGroup((await machine.read('/etc/group')) ?? '').find(({ gid }) => gid === user?.gid)
  if (user === undefined || group === undefined) {
    throw new StartError(
      'HAProxy runs as the user haproxy or as the user nobody, and neither exists with a group; run "apt-get install haproxy"',
    )
  }
  return { user: user.name, group: group.name, uid: user.uid }
}

async function findUser(machine: Host, name: string): Promise<SystemUser | undefined> {
  const entry = parsePasswd((await machine.read('/etc/passwd')) ?? '').find((user) => user.name === name)
  return entry === undefined ? undefined : { name, uid: entry.uid, gid: entry.gid }
}

/** Removes the users `puppy-postgres` and `puppy-api`, for a purge. Returns the names of those that it removed. */
export async function removeSystemUsers(machine: Host): Promise<readonly string[]> {
  const removed: string[] = []
  const userdel = machine.program('userdel')
  for (const name of Object.values(own)) {
    if (userdel === undefined || (await findUser(machine, name)) === undefined) continue
    await machine.run([userdel, '--', name], { touches: 'machine' })
    removed.push(name)
  }
  return removed
}

/**
 * Drops root permanently: first the groups, then the gid, then the uid. Verifies that the process cannot become root again.
 *
 * @throws StartError when it cannot drop root.
 */
export function dropRoot(user: SystemUser): void {
  process.chdir('/')
  process.setgroups?.([user.gid])
  process.setgid?.(user.gid)
  process.setuid?.(user.uid)
  if (process.getuid?.() !== user.uid || process.geteuid?.() !== user.uid)
    throw new StartError(`Cannot change from root to the user ${user.name}`)
  let back = true
  try {
    process.setuid?.(0)
  } catch {
    back = false
  }
  if (back) throw new StartError('Cannot drop root: the process could become root again, so it does not continue')
}
