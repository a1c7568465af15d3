import { isDeepStrictEqual } from 'node:util'
import { HostError, isUnfinished, type Applied, type EffectOptions, type Host, type ItemResult } from '@puppy/host'
import { assertNotAborted, isAbort } from '../abort.ts'
import { AccountError } from '../errors.ts'
import type { BaseChange, BaseChangeSet, BaseFile } from './plan.ts'
import { baseFolders, folderMode, readPaths, reloadMark, sshdDropIn, type BaseObservation } from './read.ts'
import { checkSshd, reloadSshd } from './sshd.ts'

/** The result for one folder or file. Its target is the path. */
export type BaseResult = ItemResult<AccountError>

/** The result for the base files. */
export interface BaseApplied extends Applied<BaseResult, BaseChange> {
  /** What is missing on this machine, and what does not work because of it. */
  readonly warnings: readonly string[]
  /** What the operator still has to do. */
  readonly steps: readonly string[]
}

/** Folders of the system that contain our files. Missing ones are created, and they are never removed. */
const systemFolders: readonly string[] = [
  '/etc/ssh/sshd_config.d',
  '/etc/profile.d',
  '/etc/systemd/user-environment-generators',
]

/** The results so far, by target. */
interface Progress {
  readonly changed: Set<string>
  readonly errors: Map<string, AccountError>
  readonly steps: string[]
}

/**
 * Applies a change set, once per host. Needs root.
 *
 * On a live host, `sshd -t` checks the configuration after the drop-in is written. If sshd accepted the configuration before and refuses it
 * now, the old drop-in is restored, and the result of the file has `ACCOUNT_SSHD_REFUSED`. Then an active ssh unit is reloaded. If the
 * process is killed before the reload, the next `ensure` reloads. Without systemd the reload is a step for the operator. Below a root
 * folder nothing is checked or reloaded.
 *
 * @throws HostError `HOST_ABORTED`. Every other failure is an error in the result of its file.
 * @see sshd_config(5), sshd(8)
 */
export async function applyBase(
  host: Host,
  changeSet: BaseChangeSet,
  options: EffectOptions = {},
): Promise<BaseApplied> {
  const { changes, refused, targets, warnings, observed } = changeSet
  const progress: Progress = { changed: new Set(), errors: new Map(), steps: [] }
  for (const { target, error } of refused) progress.errors.set(target, error)
  if (changes.length > 0) await applyChanges(host, changeSet, progress, options)
  const written = changes.some(({ action, target }) => action === 'write file' && target === sshdDropIn)
  if (written && !observed.live)
    progress.steps.push(
      'on the machine itself: check the sshd configuration (sshd -t), then reload sshd (systemctl reload ssh.service)',
    )
  return {
    changed: progress.changed.size > 0,
    changes,
    results: targets.map((target): BaseResult => {
      const error = progress.errors.get(target)
      return { target, changed: progress.changed.has(target), ...(error === undefined ? {} : { error }) }
    }),
    warnings,
    steps: progress.steps,
  }
}

async function applyChanges(
  host: Host,
  { changes, files, observed }: BaseChangeSet,
  progress: Progress,
  options: EffectOptions,
): Promise<void> {
  assertNotAborted(options, 'apply the base files')
  const now = await readPaths(host)
  for (const change of changes) {
    const { target } = change
    // After a failure all further changes of that file are skipped: sshd is not reloaded for a restored drop-in.
    if (progress.errors.has(target)) continue
    assertNotAborted(options, 'apply the base files')
    try {
      if (isStale(change, observed, now)) throw staleError(change)
      await perform(host, change, files.get(target), observed, progress, options)
      progress.changed.add(target)
    } catch (error) {
      if (!(error instanceof HostError || error instanceof AccountError) || isAbort(error)) throw error
      progress.errors.set(target, error instanceof AccountError ? error : notApplied(change, error))
    }
  }
}

/** Compares only `right` of a folder. Its content is checked by the kernel when the folder is removed. */
function isStale({ target }: BaseChange, observed: BaseObservation, now: Pick<BaseObservation, 'folders' | 'files'>) {
  if (baseFolders.includes(target)) return observed.folders.get(target)?.right !== now.folders.get(target)?.right
  return !isDeepStrictEqual(observed.files.get(target), now.files.get(target))
}

function staleError({ action, target }: BaseChange): AccountError {
  const detail = 'it changed after the change set was planned; read and plan again'
  return new AccountError('ACCOUNT_STALE', { operation: operationOf(action), target, detail })
}

function notApplied({ action, target }: BaseChange, cause: HostError): AccountError {
  const facts = { operation: operationOf(action), target, detail: cause.message, cause }
  return new AccountError('ACCOUNT_NOT_APPLIED', facts)
}

function operationOf(action: BaseChange['action']): string {
  return action === 'reload sshd' ? 'reload sshd with' : action.replace(' ', ' the ')
}

async function perform(
  host: Host,
  { action, target }: BaseChange,
  file: BaseFile | undefined,
  observed: BaseObservation,
  progress: Progress,
  options: EffectOptions,
): Promise<void> {
  if (action === 'make folder') await host.makeFolder(target, { mode: folderMode(target), uid: 0, gid: 0 })
  else if (action === 'remove file') await host.remove(target)
  else if (action === 'remove folder') await removeFolder(host, target)
  else if (action === 'reload sshd') {
    progress.steps.push(...(await reloadSshd(host, options)))
    await host.remove(reloadMark)
  } else if (target === sshdDropIn && host.live) await writeDropIn(host, target, file!, observed, options)
  else await writeFile(host, target, file!)
}

/** Removes first the files of this package: temporary files of a killed process, and the mark of a pending reload. */
async function removeFolder(host: Host, folder: string): Promise<void> {
  for (const name of await host.list(folder)) {
    const path = `${folder}/${name}`
    if (isUnfinished(name) || path === reloadMark) await host.remove(path)
  }
  await host.remove(folder)
}

async function writeFile(host: Host, path: string, { text, mode }: BaseFile): Promise<void> {
  const folder = systemFolders.find((name) => path.startsWith(`${name}/`))
  if (folder !== undefined && (await host.status(folder)) === undefined) await host.makeFolder(folder, { mode: 0o755 })
  await host.replace(path, text, { mode, uid: 0, gid: 0 })
}

async function writeDropIn(
  host: Host,
  path: string,
  file: BaseFile,
  { sshd, files }: BaseObservation,
  options: EffectOptions,
): Promise<void> {
  await host.replace(reloadMark, '', { mode: 0o600, uid: 0, gid: 0 })
  await writeFile(host, path, file)
  const refusal = await checkSshd(host, options)
  if (refusal === undefined || sshd?.refusal !== undefined) return
  const before = files.get(path)
  await (before?.text === undefined ? host.remove(path) : host.replace(path, before.text, { mode: before.mode }))
  await host.remove(reloadMark)
  throw new AccountError('ACCOUNT_SSHD_REFUSED', {
    operation: 'write the file',
    target: path,
    detail: `sshd -t refuses the configuration with this file, so the old file was restored; sshd reported: ${refusal}`,
  })
}
