import { setTimeout as sleep } from 'node:timers/promises'
import { HostError, inOurDomain, type Command, type Host } from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { programOf, signalOf, type EffectOptions } from '../program.ts'
import { failureOf, isLocked, isMute } from './failure.ts'
import { textFile } from './generations.ts'
import { endedWell, hiding } from './hide.ts'
import { labelLike } from './label-like.ts'
import { libraryCommand, parseValues, renderRequest } from './libsemanage.ts'
import { findHolder, type LockHolder } from './locks.ts'
import { storePaths, type StorePaths } from './observe.ts'
import type { PolicyChange } from './plan.ts'
import { isForSemodule, semoduleWords } from './semodule.ts'
import { assertSpace } from './space.ts'

export interface RunTransaction extends Pick<EffectOptions, 'signal'> {
  /** When to give up waiting for others, in milliseconds since 1970. */
  readonly deadline: number
  /** Milliseconds for the transaction itself. */
  readonly timeout: number
  readonly reload: boolean
  /** Users whom genhomedircon should not see. */
  readonly hidden?: ReadonlySet<string>
  /** A folder of ours, for what the tools read. */
  readonly folder: string
  /** Whether the store has hidden denials written down. */
  readonly logged: boolean
}

const operation = 'commit the policy'

/**
 * Runs one transaction: semodule(8), or libsemanage itself for what that cannot. Old tools try for five seconds to get the store and
 * fail, new ones wait for ever: neither is started while somebody has it.
 *
 * @returns what the policy has afterwards for the booleans that were changed.
 * @throws SelinuxError `SELINUX_LOCKED`, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`, `SELINUX_INVALID`.
 */
export async function runTransaction(
  host: Host,
  type: string,
  changes: readonly PolicyChange[],
  options: RunTransaction,
): Promise<Readonly<Record<string, boolean>>> {
  const paths = storePaths(type)
  const request = `${options.folder}/transaction.json`
  try {
    const command = await inOurDomain(host, await commandFor(host, type, changes, { ...options, request }))
    const users = options.hidden ?? new Set<string>()
    const hidden = users.size === 0 ? command : await hiding(host, command, { users, folder: options.folder })
    for (let holder: LockHolder | undefined; ;) {
      const found = await findHolder(host, paths.lock, signalOf(options))
      const said =
        found === undefined && (await tryOnce(host, hidden, { paths, changes, options, alone: hidden === command }))
      if (typeof said === 'string') return parseValues(said)
      holder = found ?? holder
      if (Date.now() >= options.deadline) {
        const who = holder === undefined ? 'somebody who is gone again' : `process ${holder.pid} (${holder.name})`
        throw new SelinuxError('SELINUX_LOCKED', { operation, target: paths.store, detail: `${who} has it` })
      }
      await sleep(200, undefined, signalOf(options))
    }
  } finally {
    await host.remove(request)
  }
}

async function commandFor(
  host: Host,
  type: string,
  changes: readonly PolicyChange[],
  { request, reload, logged }: RunTransaction & { readonly request: string },
): Promise<Command> {
  const fileOf = (name: string) => host.path(textFile(type, name))
  if (isForSemodule(changes)) {
    const where = host.live ? [] : ['-p', host.root]
    const quiet = reload ? [] : ['-N']
    const words = semoduleWords(changes, fileOf, logged)
    return [programOf(host, 'semodule', operation), ...where, ...quiet, '-s', type, ...words]
  }
  await host.replace(request, renderRequest(changes, { root: host.root, type, reload, fileOf }), { mode: 0o600 })
  await labelLike(host, storePaths(type).active, [request])
  return libraryCommand(host, host.path(request))
}

interface Try {
  readonly paths: StorePaths
  readonly changes: readonly PolicyChange[]
  readonly options: RunTransaction
  /** Whether the tool is run as it is, so that its exit code is ours. */
  readonly alone: boolean
}

/** @returns what it said, or false when somebody else has the store. */
async function tryOnce(host: Host, command: Command, { paths, changes, options, alone }: Try): Promise<string | false> {
  const ours = changes.flatMap((change) => ('name' in change ? [change.name] : []))
  const failed = async (cause: HostError): Promise<false> => {
    if (isLocked(cause.facts.stderr ?? '')) return false
    const failure = failureOf(cause, paths.store, ours)
    const isUnexplained = failure.code === 'SELINUX_REFUSED' && isMute(failure.facts.said ?? '')
    throw (isUnexplained ? await fullDisk(host, paths, { cause, options }) : undefined) ?? failure
  }
  try {
    const { stdout, stderr } = await host.run(command, {
      touches: host.live ? 'machine' : 'files',
      timeout: options.timeout,
      ...signalOf(options),
    })
    if (alone || stdout.endsWith(endedWell)) return stdout
    return failed(new HostError('HOST_PROGRAM_FAILED', { operation: 'run semodule', stderr }))
  } catch (cause) {
    const ended = cause instanceof HostError && ['HOST_PROGRAM_FAILED', 'HOST_TIMEOUT'].includes(cause.code)
    if (!ended) throw cause
    return failed(cause)
  }
}

/** What a failure without a reason is where the disk has no room now either. */
async function fullDisk(
  host: Host,
  paths: StorePaths,
  { cause, options }: { readonly cause: HostError; readonly options: RunTransaction },
): Promise<SelinuxError | undefined> {
  try {
    await assertSpace(host, paths, signalOf(options))
    return undefined
  } catch (error) {
    if (!(error instanceof SelinuxError) || error.code !== 'SELINUX_NO_SPACE') return undefined
    const detail = `it did not say why, and the disk is full: ${error.facts.detail}`
    return new SelinuxError('SELINUX_NO_SPACE', { operation, target: paths.store, detail, cause })
  }
}
