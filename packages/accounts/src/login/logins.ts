import type { Command, Host } from '@puppy/host'
import type { AccountChange, EffectOptions } from '../change.ts'
import { AccountError, type AccountErrorCode } from '../errors.ts'
import type { Slot } from '../slots.ts'
import { readShadow } from '../pool/read.ts'
import { findProgram, runOptions, runsSystemd } from '../program.ts'
import { renderEnvironment, type Environment } from './environment.ts'
import { parseKey, renderKey } from './key.ts'

/** The folder of our own files below `/etc`. */
export const ownFolder = '/etc/puppy'
/** One file of public keys for each user; sshd reads it as that user. */
export const keysFolder = '/etc/puppy/keys'
/** One file of variables for each user. */
export const environmentFolder = '/etc/puppy/env'
/** logind(8) starts a manager at boot for every user with a file here. */
const lingerFolder = '/var/lib/systemd/linger'

/** How a taken slot is logged into. */
export interface Login {
  readonly slot: Slot
  /** Public key lines; see `parseKey`. */
  readonly keys: readonly string[]
  readonly environment: Environment
  /** Whether its user services run without a login. */
  readonly linger: boolean
  /** False: nobody logs in and its cron jobs do not start. There are no keys, no linger, and the account is expired. */
  readonly open: boolean
}

/** What one user's login is on disk. */
export interface LoginState {
  /** Absent when there is no file, as are the variables. */
  readonly keys?: string
  readonly environment?: string
  readonly linger: boolean
  readonly expired: boolean
}

/** By user name. */
export type LoginObservation = ReadonlyMap<string, LoginState>

/** The state that one user is to get. */
export interface LoginWork {
  readonly slot: Slot
  readonly before: LoginState
  readonly after: LoginState
}

/** A login whose keys or variables cannot be used; nothing of it is changed. */
export interface RefusedLogin {
  readonly n: number
  readonly code: AccountErrorCode
  readonly message: string
}

export interface LoginPlan {
  readonly changes: readonly AccountChange[]
  readonly refused: readonly RefusedLogin[]
  /** Slots whose login is right already. */
  readonly ready: readonly number[]
  readonly work: readonly LoginWork[]
}

export interface LoginResult {
  readonly n: number
  readonly status: 'ready' | 'failed'
  readonly changed: boolean
  readonly message?: string
}

const maxBytes = 1024 * 1024

/**
 * Reads keys, variables, linger and expiry of these slots. Expiry stands in `/etc/shadow`; whoever may not
 * read that sees nobody as expired.
 * @throws HostError `HOST_READ_FAILED`.
 */
export async function readLogins(host: Host, slots: readonly Slot[]): Promise<LoginObservation> {
  const lingering = new Set(await host.list(lingerFolder))
  const shadow = (await readShadow(host)) ?? []
  const expired = new Set(shadow.filter(({ expire }) => expire !== undefined).map(({ name }) => name))
  const states = slots.map(async ({ user }): Promise<readonly [string, LoginState]> => {
    const [keys, environment] = await Promise.all([
      host.read(`${keysFolder}/${user}`, { maxBytes }),
      host.read(`${environmentFolder}/${user}`, { maxBytes }),
    ])
    return [user, stateOf(keys, environment, lingering.has(user), expired.has(user))]
  })
  return new Map(await Promise.all(states))
}

/**
 * Plans how these logins come about. Pure.
 *
 * A login with a key or variable that cannot be used is refused as a whole and its neighbours go on. Keys are written
 * as `type base64 comment`, each once. `open: false` takes keys and linger away and expires the account, which sshd,
 * cron and at go by; the variables stay. An expiry that a person set on an open login is lifted.
 */
export function planLogins(wanted: readonly Login[], observed: LoginObservation): LoginPlan {
  const items = wanted.map((login) => workOf(login, observed.get(login.slot.user) ?? nothing))
  const valid = items.filter((item) => 'slot' in item)
  const work = valid.filter(({ before, after }) => !sameState(before, after))
  return {
    changes: work.flatMap(changesOf),
    refused: items.filter((item) => 'code' in item),
    ready: valid.filter(({ before, after }) => sameState(before, after)).map(({ slot }) => slot.n),
    work,
  }
}

/**
 * Makes logins as planned: `/etc/puppy/keys/<user>` and `/etc/puppy/env/<user>` (root, 0644), linger, expiry.
 *
 * Needs root. Linger is `loginctl` on a machine with systemd, all users that change in one run, and a file otherwise;
 * expiry is `usermod`, one run for each user whose login opens or closes. Everything is read back.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError when nothing at all can be done. One user's failure is its
 *   result only.
 */
export async function applyLogins(
  host: Host,
  plan: LoginPlan,
  options: EffectOptions = {},
): Promise<readonly LoginResult[]> {
  const failures = new Map<number, string>()
  if (plan.work.length > 0) await perform(host, plan.work, failures, options)
  const after = await readLogins(
    host,
    plan.work.map(({ slot }) => slot),
  )
  const done = plan.work.map((item) => resultOf(item, after.get(item.slot.user), failures.get(item.slot.n)))
  const refused = plan.refused.map(({ n, message }): LoginResult => ({ n, status: 'failed', changed: false, message }))
  const ready = plan.ready.map((n): LoginResult => ({ n, status: 'ready', changed: false }))
  return [...done, ...refused, ...ready].toSorted((one, other) => one.n - other.n)
}

/** Reads, plans and applies. A second call writes nothing. @throws as `readLogins` and `applyLogins`. */
export async function ensureLogins(
  host: Host,
  logins: readonly Login[],
  options: EffectOptions = {},
): Promise<{ readonly plan: LoginPlan; readonly results: readonly LoginResult[] }> {
  const observed = await readLogins(
    host,
    logins.map(({ slot }) => slot),
  )
  const plan = planLogins(logins, observed)
  return { plan, results: await applyLogins(host, plan, options) }
}

/** Plans that these slots have no login at all: no keys, no variables, no linger, and the account is expired. */
export function planNoLogins(slots: readonly Slot[], observed: LoginObservation): LoginPlan {
  const work = slots
    .map((slot): LoginWork => {
      const before = observed.get(slot.user) ?? nothing
      return { slot, before, after: { linger: false, expired: true } }
    })
    .filter(({ before, after }) => !sameState(before, after))
  const busy = new Set(work.map(({ slot }) => slot.n))
  const ready = slots.map(({ n }) => n).filter((n) => !busy.has(n))
  return { changes: work.flatMap(changesOf), refused: [], ready, work }
}

const nothing: LoginState = Object.freeze({ linger: false, expired: false })

function stateOf(
  keys: string | undefined,
  environment: string | undefined,
  linger: boolean,
  expired: boolean,
): LoginState {
  return {
    ...(keys === undefined ? {} : { keys }),
    ...(environment === undefined ? {} : { environment }),
    linger,
    expired,
  }
}

function workOf({ slot, keys, environment, linger, open }: Login, before: LoginState): LoginWork | RefusedLogin {
  try {
    const lines = [...new Set(keys.map((key) => renderKey(parseKey(key))))].map((line) => `${line}\n`).join('')
    const variables = renderEnvironment(environment)
    const shown = open && lines !== '' ? lines : undefined
    return { slot, before, after: stateOf(shown, variables === '' ? undefined : variables, open && linger, !open) }
  } catch (error) {
    if (error instanceof AccountError) return { n: slot.n, code: error.code, message: error.message }
    throw error
  }
}

function sameState(one: LoginState, other: LoginState): boolean {
  return (['keys', 'environment', 'linger', 'expired'] as const).every((part) => one[part] === other[part])
}

function changesOf({ slot: { user }, before, after }: LoginWork): readonly AccountChange[] {
  const change = (part: keyof LoginState, target: string, action: string, was: string, is: string, command?: string) =>
    before[part] === after[part]
      ? []
      : [
          {
            facility: 'accounts',
            target,
            action,
            before: was,
            after: is,
            ...(command === undefined ? {} : { command }),
          } as const,
        ]
  const linger = `loginctl ${after.linger ? 'enable' : 'disable'}-linger ${user}`
  const expiry = `usermod --expiredate ${after.expired ? '1' : "''"} ${user}`
  const [keys, variables] = [`${keysFolder}/${user}`, `${environmentFolder}/${user}`]
  return [
    ...change('keys', keys, 'write keys', countLines(before.keys), countLines(after.keys)),
    ...change(
      'environment',
      variables,
      'write variables',
      countLines(before.environment),
      countLines(after.environment),
    ),
    ...change('linger', user, 'set linger', onOff(before.linger), onOff(after.linger), linger),
    ...change('expired', user, 'set expiry', onOff(before.expired), onOff(after.expired), expiry),
  ]
}

function countLines(text: string | undefined): string {
  const count = (text ?? '').split('\n').length - 1
  return `${count} ${count === 1 ? 'line' : 'lines'}`
}

function onOff(claim: boolean): string {
  return claim ? 'on' : 'off'
}

async function perform(host: Host, work: readonly LoginWork[], failures: Map<number, string>, options: EffectOptions) {
  for (const folder of [ownFolder, keysFolder, environmentFolder])
    await host.makeFolder(folder, { mode: 0o755, uid: 0, gid: 0 })
  for (const item of work) {
    await attempt(item, failures, async () => {
      if (item.after.expired !== item.before.expired) await setExpiry(host, item, options)
      await putText(host, `${keysFolder}/${item.slot.user}`, item.after.keys)
      await putText(host, `${environmentFolder}/${item.slot.user}`, item.after.environment)
    })
  }
  const lingering = work.filter(({ before, after }) => before.linger !== after.linger)
  await setLinger(host, lingering, failures, options)
}

async function attempt({ slot }: LoginWork, failures: Map<number, string>, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (error instanceof AccountError || !(error instanceof Error) || isAbort(error)) throw error
    failures.set(slot.n, error.message)
  }
}

function isAbort(error: Error): boolean {
  return 'code' in error && error.code === 'HOST_ABORTED'
}

async function putText(host: Host, path: string, text: string | undefined): Promise<void> {
  await (text === undefined ? host.remove(path) : host.replace(path, text, { mode: 0o644, uid: 0, gid: 0 }))
}

/** 1 is the second of January 1970; an empty date means never. `--prefix` leaves the machine's own files alone. */
async function setExpiry(host: Host, { slot, after }: LoginWork, options: EffectOptions): Promise<void> {
  const where = host.live ? [] : ['--prefix', host.root]
  const command = [findProgram(host, 'usermod'), ...where, '--expiredate', after.expired ? '1' : '', slot.user] as const
  await host.run([...command], runOptions('files', options))
}

async function setLinger(
  host: Host,
  work: readonly LoginWork[],
  failures: Map<number, string>,
  options: EffectOptions,
) {
  if (work.length === 0) return
  const loginctl = (await runsSystemd(host)) ? host.program('loginctl') : undefined
  if (loginctl === undefined) {
    if (work.some(({ after }) => after.linger)) await host.makeFolder(lingerFolder, { mode: 0o755 })
    for (const item of work)
      await attempt(item, failures, () =>
        putText(host, `${lingerFolder}/${item.slot.user}`, item.after.linger ? '' : undefined),
      )
    return
  }
  for (const enable of [false, true]) {
    const users = work.filter(({ after }) => after.linger === enable).map(({ slot }) => slot.user)
    await runLoginctl(host, [loginctl, `${enable ? 'en' : 'dis'}able-linger`], users, options)
  }
}

/** loginctl stops at the first user that logind refuses, so then each is asked for alone; all are read back later. */
async function runLoginctl(
  host: Host,
  command: Command,
  users: readonly string[],
  options: EffectOptions,
): Promise<void> {
  if (users.length === 0) return
  const run = await host.run([...command, ...users], runOptions('machine', options, { accept: [0, 1] }))
  if (run.exitCode === 0 || users.length === 1) return
  for (const user of users) await runLoginctl(host, command, [user], options)
}

function resultOf({ slot, after }: LoginWork, seen: LoginState | undefined, failure: string | undefined): LoginResult {
  if (failure === undefined && seen !== undefined && sameState(seen, after))
    return { n: slot.n, status: 'ready', changed: true }
  const message =
    failure ?? `The login of ${slot.user} is not as it was written: ${differences(seen ?? nothing, after)}`
  return { n: slot.n, status: 'failed', changed: true, message }
}

function differences(seen: LoginState, wanted: LoginState): string {
  return (['keys', 'environment', 'linger', 'expired'] as const)
    .filter((part) => seen[part] !== wanted[part])
    .join(', ')
}
