import { renderCommand, type Host } from '@puppy/host'
import type { Slot } from '../slots.ts'
import { applyLogins, planNoLogins, readLogins, type LoginResult } from '../login/logins.ts'
import { readUsers } from '../pool/read.ts'
import { becoming, endProcesses, type Ended, type EndOptions } from './end.ts'

/** What became of one slot's logins and processes. */
export interface EvictResult {
  readonly n: number
  readonly user: string
  /** `planned`: the host is only a folder; the login is closed, and processes were not looked at. */
  readonly status: 'ended' | 'planned' | 'failed'
  /** Processes that were ended. */
  readonly ended: number
  readonly message?: string
  /** What would end its processes on the machine itself. */
  readonly planned?: readonly string[]
}

/**
 * Puts tenants out: first the login is closed (keys, variables and linger gone, the account expired so that cron and
 * sshd start nothing), then every process of the uid is ended.
 *
 * Needs root. Calling it again is harmless. A slot whose uid is somebody else's is not touched and has failed.
 *
 * @throws RangeError for a uid that is no tenant's; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError.
 */
export async function evict(
  host: Host,
  slots: readonly Slot[],
  options: EndOptions = {},
): Promise<readonly EvictResult[]> {
  const users = await readUsers(host, slots, options)
  const strangers = new Map(users.flatMap((user) => strangerTo(slots, user.uid, user.name)))
  const ours = slots.filter(({ n }) => !strangers.has(n))
  const exists = new Set(users.map(({ name }) => name))
  const closed = await closeLogins(
    host,
    ours.filter(({ user }) => exists.has(user)),
    options,
  )
  const ended = host.live
    ? await endProcesses(
        host,
        ours.map(({ uid }) => uid),
        options,
      )
    : undefined
  return slots.map((slot): EvictResult => {
    const stranger = strangers.get(slot.n)
    if (stranger === undefined) return resultOf(host, slot, closed.get(slot.n), ended)
    return { n: slot.n, user: slot.user, status: 'failed', ended: 0, message: stranger }
  })
}

function strangerTo(slots: readonly Slot[], uid: number, name: string): readonly (readonly [number, string])[] {
  return slots
    .filter((slot) => (slot.uid === uid) !== (slot.user === name))
    .map((slot) => [
      slot.n,
      `The user ${slot.user} and the uid ${slot.uid} are not the same account: ${name} has uid ${uid}`,
    ])
}

async function closeLogins(
  host: Host,
  slots: readonly Slot[],
  options: EndOptions,
): Promise<ReadonlyMap<number, LoginResult>> {
  const plan = planNoLogins(slots, await readLogins(host, slots))
  return new Map((await applyLogins(host, plan, options)).map((result) => [result.n, result]))
}

function resultOf(
  host: Host,
  { n, user, uid }: Slot,
  closed: LoginResult | undefined,
  ended: Ended | undefined,
): EvictResult {
  const common = { n, user, ended: ended?.ended.get(uid) ?? 0 }
  if (closed?.status === 'failed')
    return { ...common, status: 'failed', message: closed.message ?? 'its login is not closed' }
  if (ended === undefined)
    return {
      ...common,
      status: 'planned',
      planned: [renderCommand([...becoming(host, uid), 'kill', '-KILL', '--', '-1'])],
    }
  const left = ended.left.filter(({ uids }) => uids.includes(uid))
  if (left.length === 0) return { ...common, status: 'ended' }
  const names = left.slice(0, 5).map(({ pid, command }) => `${pid} (${command})`)
  return { ...common, status: 'failed', message: `${left.length} processes will not end: ${names.join(', ')}` }
}
