import { quoted, renderCommand, type Host } from '@puppy/host'
import { AccountError } from '../errors.ts'
import type { LoginResult } from '../login/apply.ts'
import { openLogins } from '../login/logins.ts'
import { noLogin } from '../login/plan.ts'
import type { PasswdEntry } from '../passwd.ts'
import { slotBlocked } from '../pool/judge.ts'
import type { Slot } from '../slots.ts'
import { readUsers } from '../users.ts'
import { endProcesses, idsOf, type Ended, type EndOptions } from './end.ts'

/** The result for the login and the processes of one slot. */
export interface EvictResult {
  readonly n: number
  /** The user name. */
  readonly target: string
  /** The number of processes that ended. */
  readonly ended: number
  /** Why the login is not closed, or why some processes have not ended. */
  readonly error?: AccountError
  /** Present when the host is only a folder: the login is closed, and these commands would end the processes on the machine itself. */
  readonly steps?: readonly string[]
}

const operation = 'evict'

/**
 * Closes the logins of slots and ends their processes. It first removes keys, variables and linger and expires the account, so that cron
 * and sshd start nothing. Then it ends every process of the uid.
 *
 * Needs root. Idempotent. A slot whose uid belongs to another user is not changed: its result has `ACCOUNT_SLOT_BLOCKED`.
 *
 * @throws RangeError for a uid that cannot belong to a tenant; AccountError `ACCOUNT_PROGRAM_MISSING`; HostError.
 */
export async function evict(
  host: Host,
  slots: readonly Slot[],
  options: EndOptions = {},
): Promise<readonly EvictResult[]> {
  const users = await readUsers(host, slots, options)
  const blocked = new Map(slots.flatMap((slot) => blockOf(slot, users)))
  const ours = slots.filter(({ n }) => !blocked.has(n))
  const names = new Set(users.map(({ name }) => name))
  const existing = ours.filter(({ user }) => names.has(user))
  const closed = await openLogins(host).ensure(existing.map(noLogin), options)
  const results = new Map(closed.results.map((result) => [result.n, result]))
  const uids = ours.map(({ uid }) => uid)
  const ended = host.live ? await endProcesses(host, uids, options) : undefined
  return slots.map((slot): EvictResult => {
    const error = blocked.get(slot.n)
    if (error === undefined) return resultOf(slot, results.get(slot.n), ended)
    return { n: slot.n, target: slot.user, ended: 0, error }
  })
}

function blockOf(slot: Slot, users: readonly PasswdEntry[]): readonly (readonly [number, AccountError])[] {
  const other = users.find(({ uid, name }) => (slot.uid === uid) !== (slot.user === name))
  if (other === undefined) return []
  const reason = other.uid === slot.uid ? 'uid_taken' : 'user_taken'
  const detail = `the user ${slot.user} and the uid ${slot.uid} are not the same account: ${other.name} has uid ${other.uid}`
  return [[slot.n, slotBlocked(operation, slot, { reason, detail })]]
}

function resultOf({ n, user, uid }: Slot, closed: LoginResult | undefined, ended: Ended | undefined): EvictResult {
  const common = { n, target: user, ended: ended?.ended.get(uid) ?? 0 }
  if (closed?.error !== undefined) return { ...common, error: closed.error }
  if (ended === undefined) return { ...common, steps: [renderCommand(['/usr/bin/pkill', '-KILL', '-U', `${uid}`])] }
  const left = ended.left.filter((process) => idsOf(process, new Set([uid])).length > 0)
  return left.length === 0 ? common : { ...common, error: processesLeft(user, left) }
}

function processesLeft(target: string, processes: Ended['left']): AccountError {
  const left = processes.slice(0, 20).map(({ pid, name }) => `${pid} ${quoted(name)}`)
  const count = processes.length === 1 ? '1 process did' : `${processes.length} processes did`
  const first = left.slice(0, 5).join(', ')
  const detail = `${count} not end after SIGKILL: ${first}; find out why (ps -o stat,wchan -p PID), then evict again`
  return new AccountError('ACCOUNT_PROCESSES_LEFT', { operation, target, detail, left })
}
