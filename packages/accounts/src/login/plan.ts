import type { Change, ChangeSet, Refused } from '@puppy/host'
import { AccountError } from '../errors.ts'
import type { Slot } from '../slots.ts'
import { renderEnvironment, type Environment } from './environment.ts'
import { parseKeys, renderKey } from './key.ts'
import { environmentFolder, keysFolder, type LoginObservation, type LoginState } from './read.ts'

/** The login of the tenant of a slot. */
export interface Login {
  readonly slot: Slot
  /** Public key lines. See `parseKey`. */
  readonly keys: readonly string[]
  readonly environment: Environment
  /** Whether its user services run without a login. */
  readonly linger: boolean
  /** When false, no login is possible and cron jobs do not start: the user has no keys and no linger, and the account is expired. */
  readonly open: boolean
}

/** A login with an invalid key or variable. Nothing of it is changed. */
export interface RefusedLogin extends Refused<AccountError> {
  readonly n: number
}

/** The change of one user. */
export interface LoginWork {
  readonly slot: Slot
  /** The observed state. */
  readonly before: LoginState
  readonly after: LoginState
}

/** The differences between logins and the observed state. The targets are user names. */
export interface LoginChangeSet extends ChangeSet<Change, AccountError> {
  readonly refused: readonly RefusedLogin[]
  /** Slots whose login is already right. */
  readonly ready: readonly Slot[]
  /** The changes that `apply` performs, one entry for each user. */
  readonly work: readonly LoginWork[]
}

/** The parts of a login, in display order. */
export const loginParts = ['keys', 'environment', 'exposed', 'linger', 'expired'] as const

/** The state of a user without keys, variables and linger. */
export const emptyState: LoginState = Object.freeze({ linger: false, expired: false })

/** Returns the spec of a slot without a login: no keys, no variables, no linger, and an expired account. Pure. */
export function noLogin(slot: Slot): Login {
  return { slot, keys: [], environment: {}, linger: false, open: false }
}

/**
 * Plans the changes for these logins. Pure.
 *
 * A login with an invalid key or variable is refused completely, and the other logins are not affected. So is one with more keys than
 * `keyLimits` allows. Keys are written as `type base64 comment`, without duplicates. `open: false` removes keys and linger, whatever the keys
 * are, and expires the account, which sshd, cron and at respect. The variables stay. An expiry that an administrator set on an open login is removed.
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

/** Returns whether two states are equal in every part. Pure. */
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
  // A closed login has no keys, so an invalid key never keeps a login open.
  const parsed = open ? parseKeys(keys) : []
  const lines = [...new Set(parsed.map((key) => renderKey(key)))].map((line) => `${line}\n`).join('')
  const variables = renderEnvironment(environment)
  return {
    ...(lines !== '' ? { keys: lines } : {}),
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
    ...change('exposed', { action: 'protect files', after: 'root and its group, 0640' }),
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
