import type { Change, ChangeSet, Refused } from '@puppy/host'
import { AccountError } from '../errors.ts'
import type { Slot } from '../slots.ts'
import { renderEnvironment, type Environment } from './environment.ts'
import { parseKey, renderKey } from './key.ts'
import { environmentFolder, keysFolder, type LoginObservation, type LoginState } from './read.ts'

/** How the tenant of a slot logs in. */
export interface Login {
  readonly slot: Slot
  /** Public key lines. See `parseKey`. */
  readonly keys: readonly string[]
  readonly environment: Environment
  /** Whether its user services run without a login. */
  readonly linger: boolean
  /** False: no login is possible and its cron jobs do not start. It has no keys and no linger, and the account is expired. */
  readonly open: boolean
}

/** A login whose keys or variables cannot be used. Nothing of it is changed. */
export interface RefusedLogin extends Refused<AccountError> {
  readonly n: number
}

/** The state that one user is to get. */
export interface LoginWork {
  readonly slot: Slot
  /** What was observed. */
  readonly before: LoginState
  readonly after: LoginState
}

/** The differences between logins and what is on disk. Their targets are the user names. */
export interface LoginChangeSet extends ChangeSet<Change, AccountError> {
  readonly refused: readonly RefusedLogin[]
  /** Slots whose login is right. */
  readonly ready: readonly Slot[]
  /** What `apply` does, user by user. */
  readonly work: readonly LoginWork[]
}

/** The parts of a login, in the order in which they are shown. */
export const loginParts = ['keys', 'environment', 'linger', 'expired'] as const

/** What a user without keys, variables and linger has. */
export const emptyState: LoginState = Object.freeze({ linger: false, expired: false })

/** Returns the spec of a slot that has no login: no keys, no variables and no linger, and the account is expired. Pure. */
export function noLogin(slot: Slot): Login {
  return { slot, keys: [], environment: {}, linger: false, open: false }
}

/**
 * Plans what makes these logins right. Pure.
 *
 * A login with a key or variable that cannot be used is refused as a whole, and its neighbours go on. Keys are written as
 * `type base64 comment`, each once. `open: false` removes keys and linger and expires the account, which sshd, cron and at respect; the
 * variables stay. An expiry that an administrator set on an open login is removed.
 */
export function planLogins(logins: readonly Login[], observed: LoginObservation): LoginChangeSet {
  const items = logins.map((login) => workOf(login, observed.get(login.slot.user) ?? emptyState))
  const valid = items.filter((item) => 'slot' in item)
  const work = valid.filter(({ before, after }) => !sameState(before, after))
  return {
    changes: work.flatMap(changesOf),
    refused: items.filter((item) => 'error' in item),
    ready: valid.filter(({ before, after }) => sameState(before, after)).map(({ slot }) => slot),
    work,
  }
}

/** Returns whether two states are the same in every part. Pure. */
export function sameState(one: LoginState, other: LoginState): boolean {
  return loginParts.every((part) => one[part] === other[part])
}

function workOf(login: Login, before: LoginState): LoginWork | RefusedLogin {
  const { slot } = login
  try {
    return { slot, before, after: stateOf(login) }
  } catch (error) {
    if (error instanceof AccountError) return { n: slot.n, target: slot.user, error }
    throw error
  }
}

/** @throws AccountError `ACCOUNT_KEY_INVALID`, `ACCOUNT_ENVIRONMENT_INVALID`. */
function stateOf({ keys, environment, linger, open }: Login): LoginState {
  const lines = [...new Set(keys.map((key) => renderKey(parseKey(key))))].map((line) => `${line}\n`).join('')
  const variables = renderEnvironment(environment)
  return {
    ...(open && lines !== '' ? { keys: lines } : {}),
    ...(variables === '' ? {} : { environment: variables }),
    linger: open && linger,
    expired: !open,
  }
}

function changesOf({ slot: { user }, before, after }: LoginWork): readonly Change[] {
  const change = (part: keyof LoginState, more: Omit<Change, 'facility' | 'target'>): readonly Change[] =>
    before[part] === after[part] ? [] : [{ facility: 'accounts', target: user, ...more }]
  return [
    ...change('keys', {
      action: 'write keys',
      before: countLines(before.keys),
      after: `${countLines(after.keys)} in ${keysFolder}/${user}`,
    }),
    ...change('environment', {
      action: 'write variables',
      before: countLines(before.environment),
      after: `${countLines(after.environment)} in ${environmentFolder}/${user}`,
    }),
    ...change('linger', {
      action: 'set linger',
      before: onOff(before.linger),
      after: onOff(after.linger),
      command: `loginctl ${after.linger ? 'enable' : 'disable'}-linger ${user}`,
    }),
    ...change('expired', {
      action: 'set expiry',
      before: onOff(before.expired),
      after: onOff(after.expired),
      command: `usermod --expiredate ${after.expired ? '1' : "''"} ${user}`,
    }),
  ]
}

function countLines(text: string | undefined): string {
  const count = (text ?? '').split('\n').length - 1
  return `${count} ${count === 1 ? 'line' : 'lines'}`
}

function onOff(state: boolean): string {
  return state ? 'on' : 'off'
}
