import {
  HostError,
  runOptions,
  runsSystemd,
  type Applied,
  type Command,
  type EffectOptions,
  type FileText,
  type Host,
  type ItemResult,
} from '@puppy/host'
import { assertNotAborted, isAbort } from '../abort.ts'
import { AccountError } from '../errors.ts'
import { findProgram, prefixArguments } from '../program.ts'
import type { Slot } from '../slots.ts'
import { emptyState, loginParts, sameState, type LoginChangeSet, type LoginWork } from './plan.ts'
import {
  environmentFolder,
  keysFolder,
  lingerFolder,
  loginFileMode,
  loginFolderMode,
  ownFolder,
  readLogins,
  type LoginState,
} from './read.ts'

/** The result for the login of one slot. Its target is the user name. */
export interface LoginResult extends ItemResult<AccountError> {
  readonly n: number
}

/** Errors by slot number. */
type Failures = Map<number, HostError | AccountError>

const operation = 'apply the login of'

/**
 * Applies a change set: `/etc/puppy/keys/<user>` and `/etc/puppy/env/<user>` (root and the group of the slot, 0640), linger and expiry.
 *
 * Needs root. The files of all users are written in one batch. With systemd, linger takes one run of `loginctl` for all users; without
 * systemd it is a file. Expiry takes one run of `usermod` for each user whose login opens or closes. A login that changed after it was read
 * is not changed. Everything is read back.
 *
 * @throws AccountError `ACCOUNT_PROGRAM_MISSING`; HostError when nothing can be done for any user. A failure of one user is an error in its
 *   result.
 */
export async function applyLogins(
  host: Host,
  changeSet: LoginChangeSet,
  options: EffectOptions = {},
): Promise<Applied<LoginResult>> {
  const { changes, refused, ready, work } = changeSet
  const results = [
    ...refused.map((login): LoginResult => ({ ...login, changed: false })),
    ...ready.map(({ n, user }): LoginResult => ({ n, target: user, changed: false })),
    ...(work.length === 0 ? [] : await applyWork(host, work, options)),
  ].toSorted((one, other) => one.n - other.n)
  return { changed: results.some(({ changed }) => changed), changes, results }
}

async function applyWork(
  host: Host,
  work: readonly LoginWork[],
  options: EffectOptions,
): Promise<readonly LoginResult[]> {
  assertNotAborted(options, 'apply logins')
  const slots = work.map(({ slot }) => slot)
  const now = await readLogins(host, slots)
  const isStale = ({ slot, before }: LoginWork) => !sameState(now.get(slot.user) ?? emptyState, before)
  const current = work.filter((item) => !isStale(item))
  const failures: Failures = new Map()
  if (current.length > 0) await perform(host, current, failures, options)
  const after = await readLogins(host, slots)
  return work.map((item) =>
    isStale(item)
      ? staleResult(item.slot)
      : resultOf(item, after.get(item.slot.user) ?? emptyState, failures.get(item.slot.n)),
  )
}

function staleResult({ n, user }: Slot): LoginResult {
  const detail = 'it changed after the change set was planned; read and plan again'
  return {
    n,
    target: user,
    changed: false,
    error: new AccountError('ACCOUNT_STALE', { operation, target: user, detail }),
  }
}

function resultOf(
  { slot, before, after }: LoginWork,
  seen: LoginState,
  failure: HostError | AccountError | undefined,
): LoginResult {
  const result = { n: slot.n, target: slot.user, changed: !sameState(seen, before) }
  if (failure === undefined && sameState(seen, after)) return result
  const wrong = loginParts.filter((part) => seen[part] !== after[part])
  const detail = failure?.message ?? `the values read back differ from those written: ${wrong.join(', ')}; apply again`
  return {
    ...result,
    error: new AccountError('ACCOUNT_NOT_APPLIED', { operation, target: slot.user, detail, cause: failure }),
  }
}

/** When a login closes, the account expires before its files are removed. So no new session starts, even after a failure in between. */
async function perform(host: Host, work: readonly LoginWork[], failures: Failures, options: EffectOptions) {
  for (const folder of [ownFolder, keysFolder, environmentFolder])
    await host.makeFolder(folder, { mode: loginFolderMode, uid: 0, gid: 0 })
  for (const item of work) {
    if (item.after.expired !== item.before.expired)
      await attempt(item, failures, options, () => setExpiry(host, item, options))
  }
  await writeFiles(host, work, failures, options)
  const lingering = work.filter(({ slot, before, after }) => before.linger !== after.linger && !failures.has(slot.n))
  await setLinger(host, lingering, failures, options)
}

/** Returns the error of one user. Throws an abort, which concerns all users, and every error that is not of this package or the host. */
function failureOf(error: unknown): HostError | AccountError {
  if (error instanceof AccountError || (error instanceof HostError && !isAbort(error))) return error
  throw error
}

async function attempt(
  { slot }: Pick<LoginWork, 'slot'>,
  failures: Failures,
  options: EffectOptions,
  effect: () => Promise<unknown>,
): Promise<void> {
  assertNotAborted(options, 'apply logins')
  try {
    await effect()
  } catch (error) {
    failures.set(slot.n, failureOf(error))
  }
}

/** Removes the files of closed logins, and writes all other files in one batch. Users with an earlier failure are left out. */
async function writeFiles(host: Host, work: readonly LoginWork[], failures: Failures, options: EffectOptions) {
  const files = work.flatMap((item) =>
    (
      [
        ['keys', keysFolder],
        ['environment', environmentFolder],
      ] as const
    ).flatMap(([part, folder]) =>
      item.before[part] === item.after[part] && (item.before.exposed !== true || item.after[part] === undefined)
        ? []
        : [{ slot: item.slot, path: `${folder}/${item.slot.user}`, text: item.after[part] }],
    ),
  )
  for (const { slot, path, text } of files) {
    if (text === undefined && !failures.has(slot.n)) await attempt({ slot }, failures, options, () => host.remove(path))
  }
  const written = files.flatMap(({ slot, path, text }) =>
    text === undefined || failures.has(slot.n) ? [] : [{ slot, path, text }],
  )
  const owned = written.map((file) => ({ ...file, mode: loginFileMode, gid: file.slot.gid }))
  await replaceAll(host, owned, failures, options)
}

async function replaceAll(
  host: Host,
  files: readonly (Required<Pick<FileText, 'path' | 'text' | 'mode' | 'gid'>> & { readonly slot: Slot })[],
  failures: Failures,
  options: EffectOptions,
): Promise<void> {
  if (files.length === 0) return
  assertNotAborted(options, 'apply logins')
  const replaced = await host.replaceMany(
    files.map(({ path, text, mode, gid }): FileText => ({ path, text, mode, uid: 0, gid })),
  )
  files.forEach(({ slot }, index) => {
    const error = replaced[index]?.error
    if (error !== undefined) failures.set(slot.n, error)
  })
}

/** 1 means the second of January 1970. An empty date means never. */
async function setExpiry(host: Host, { slot, after }: LoginWork, options: EffectOptions): Promise<void> {
  const date = after.expired ? '1' : ''
  const command = [findProgram(host, 'usermod'), ...prefixArguments(host), '--expiredate', date, slot.user] as const
  await host.run([...command], runOptions('files', options))
}

async function setLinger(host: Host, work: readonly LoginWork[], failures: Failures, options: EffectOptions) {
  if (work.length === 0) return
  const loginctl = (await runsSystemd(host)) ? host.program('loginctl') : undefined
  if (loginctl === undefined) return writeLinger(host, work, failures, options)
  for (const enable of [false, true]) {
    const slots = work.filter(({ after }) => after.linger === enable).map(({ slot }) => slot)
    await runLoginctl(host, [loginctl, `${enable ? 'en' : 'dis'}able-linger`], slots, failures, options)
  }
}

/** Without systemd, linger is only a file. */
async function writeLinger(host: Host, work: readonly LoginWork[], failures: Failures, options: EffectOptions) {
  const path = ({ user }: Slot) => `${lingerFolder}/${user}`
  const [on, off] = [work.filter(({ after }) => after.linger), work.filter(({ after }) => !after.linger)]
  for (const { slot } of off) await attempt({ slot }, failures, options, () => host.remove(path(slot)))
  if (on.length > 0) await host.makeFolder(lingerFolder, { mode: 0o755 })
  const files = on.map(({ slot }) => ({ slot, path: path(slot), text: '', mode: 0o644, gid: 0 }))
  await replaceAll(host, files, failures, options)
}

/**
 * loginctl stops at the first user that logind refuses. Then it runs again for each user alone. When logind does not answer, a run for each
 * user would wait as often as there are users, so all fail at once. All users are read back later.
 */
async function runLoginctl(
  host: Host,
  command: Command,
  slots: readonly Slot[],
  failures: Failures,
  options: EffectOptions,
): Promise<void> {
  if (slots.length === 0) return
  assertNotAborted(options, 'apply logins')
  const users = slots.map(({ user }) => user)
  try {
    const run = await host.run([...command, ...users], runOptions('machine', options, { accept: [0, 1] }))
    if (run.exitCode === 0 || slots.length === 1) return
  } catch (error) {
    const failure = failureOf(error)
    if (slots.length === 1 || failure.code === 'HOST_TIMEOUT') {
      for (const { n } of slots) failures.set(n, failure)
      return
    }
  }
  for (const slot of slots) await runLoginctl(host, command, [slot], failures, options)
}
