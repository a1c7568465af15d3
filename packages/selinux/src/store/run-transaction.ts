import { setTimeout as sleep } from 'node:timers/promises'
import {
  copyContext,
  HostError,
  inOurDomain,
  runOptions,
  runWithPasswd,
  type Command,
  type EffectOptions,
  type Host,
} from '@puppy/host'
import { SelinuxError } from '../errors.ts'
import { programOf, signalOf } from '../program.ts'
import type { PolicyChange } from './change.ts'
import { failureOf, isLocked, isMute } from './failure.ts'
import { textFile } from './generations.ts'
import { writePasswd } from './hide.ts'
import { libraryCommand, parseValues, renderRequest } from './libsemanage.ts'
import { findHolder, type LockHolder } from './locks.ts'
import { storePaths, type StorePaths } from './paths.ts'
import { isForSemodule, semoduleWords } from './semodule.ts'
import { assertSpace } from './space.ts'

export interface RunTransaction extends Pick<EffectOptions, 'signal'> {
  /** When to stop waiting for other processes, in milliseconds since 1970. */
  readonly deadline: number
  /** Milliseconds for the transaction itself. */
  readonly timeout: number
  readonly reload: boolean
  /** Users that are hidden from genhomedircon. */
  readonly hidden?: ReadonlySet<string>
  /** The working folder, for files that the tools read. */
  readonly folder: string
  /** Whether the store logs hidden denials. */
  readonly logged: boolean
}

const operation = 'commit the policy'

/**
 * Runs one transaction with semodule(8), or with libsemanage itself for changes that semodule cannot make.
 *
 * Old tools wait five seconds for the store and then fail. New tools wait without a time limit. Therefore no tool is started while
 * another process holds the store.
 *
 * @returns the values of the changed booleans in the policy after the transaction.
 * @throws SelinuxError `SELINUX_LOCKED`, `SELINUX_REFUSED`, `SELINUX_NO_SPACE`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`,
 *   `SELINUX_INVALID`.
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
    const passwd = await writePasswd(
      host,
      { users: options.hidden ?? new Set(), folder: options.folder },
      signalOf(options),
    )
    const run = { paths, changes, options, ...(passwd === undefined ? {} : { passwd }) }
    for (let holder: LockHolder | undefined; ;) {
      const found = await findHolder(host, paths.lock, signalOf(options))
      const said = found === undefined && (await tryOnce(host, command, run))
      if (typeof said === 'string') return parseValues(said)
      holder = found ?? holder
      if (Date.now() >= options.deadline) {
        const detail =
          holder === undefined
            ? 'another process held the store and has ended; try again'
            : `process ${holder.pid} (${holder.name}) holds the store; wait until it ends, then try again`
        throw new SelinuxError('SELINUX_LOCKED', { operation, target: paths.store, detail })
      }
      await wait(options)
    }
  } finally {
    await host.remove(request)
  }
}

async function wait({ signal }: RunTransaction): Promise<void> {
  await sleep(200, undefined, { signal }).catch((cause: unknown) => {
    throw new HostError('HOST_ABORTED', { operation: 'wait for the store', detail: 'the caller aborted it', cause })
  })
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
    return [programOf(host, 'semodule'), ...where, ...quiet, '-s', type, ...words]
  }
  await host.replace(request, renderRequest(changes, { root: host.root, type, reload, fileOf }), { mode: 0o600 })
  await copyContext(host, storePaths(type).active, [request])
  return libraryCommand(host, host.path(request))
}

interface Try {
  readonly paths: StorePaths
  readonly changes: readonly PolicyChange[]
  readonly options: RunTransaction
  /** The file that the tool sees as `/etc/passwd`. */
  readonly passwd?: string
}

/** @returns the output of the tool, or false when another process holds the store. */
async function tryOnce(
  host: Host,
  command: Command,
  { paths, changes, options, passwd }: Try,
): Promise<string | false> {
  const ours = changes.flatMap((change) => ('name' in change ? [change.name] : []))
  const failed = async (cause: HostError): Promise<false> => {
    if (isLocked(cause.facts.stderr ?? '')) return false
    const failure = failureOf(cause, paths.store, ours)
    const isUnexplained = failure.code === 'SELINUX_REFUSED' && isMute(failure.facts.said ?? '')
    throw (isUnexplained ? await fullDisk(host, paths, { cause, options }) : undefined) ?? failure
  }
  const run = runOptions(host.live ? 'machine' : 'files', options)
  try {
    // Hiding users only saves time, so a host that cannot hide them runs the tool directly.
    const ended =
      passwd === undefined
        ? await host.run(command, run)
        : await runWithPasswd(host, command, { passwd, whenRefused: 'run' }, run)
    return ended.stdout
  } catch (cause) {
    const ended = cause instanceof HostError && ['HOST_PROGRAM_FAILED', 'HOST_TIMEOUT'].includes(cause.code)
    if (!ended) throw cause
    return failed(cause)
  }
}

/** Returns the error of a full disk for a failure without a reason. Returns undefined when the disk has enough space. */
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
    const detail = `the tool printed no reason, and the disk is full: ${error.facts.detail}`
    return new SelinuxError('SELINUX_NO_SPACE', { operation, target: paths.store, detail, cause })
  }
}
