import { isUnfinished, type Change, type ChangeSet, type Refused } from '@puppy/host'
import { AccountError } from '../errors.ts'
import {
  baseFiles,
  baseFolders,
  generator,
  profile,
  reloadMark,
  sshdConfig,
  sshdDropIn,
  type BaseObservation,
} from './read.ts'
import { includesDropIns, renderGenerator, renderProfile, renderSshd } from './texts.ts'

/** Whether the base files are to exist. */
export type BaseSpec = 'present' | 'absent'

/** One folder or file of the base that changes. Its target is the path. */
export interface BaseChange extends Change {
  readonly action: 'make folder' | 'write file' | 'reload sshd' | 'remove file' | 'remove folder'
}

/** What a file is to hold. */
export interface BaseFile {
  readonly text: string
  readonly mode: number
}

/** The differences between the base files and what is on disk, in the order in which they are applied. */
export interface BaseChangeSet extends ChangeSet<BaseChange, AccountError> {
  readonly refused: readonly Refused<AccountError>[]
  /** The path of every folder and file that the spec is about. */
  readonly targets: readonly string[]
  /** What the files that are written are to hold, by path. */
  readonly files: ReadonlyMap<string, BaseFile>
  /** What this machine lacks, and what does not work because of it. */
  readonly warnings: readonly string[]
  readonly observed: BaseObservation
}

/**
 * Plans the base: this package's folders, sshd's drop-in where sshd is installed, and the files that give logins and user services their
 * variables. Pure.
 *
 * `absent` removes them, and the folders once nothing else is in them: other files there are the logins of users, so such a folder is
 * refused.
 */
export function planBase(spec: BaseSpec, observed: BaseObservation): BaseChangeSet {
  return spec === 'present' ? planPresent(observed) : planAbsent(observed)
}

function planPresent(observed: BaseObservation): BaseChangeSet {
  const { layout, sshd, folders, files } = observed
  const rendered: readonly (readonly [string, BaseFile])[] = [
    [profile, { text: renderProfile(), mode: 0o644 }],
    [generator, { text: renderGenerator(), mode: 0o755 }],
    ...(sshd === undefined ? [] : [[sshdDropIn, { text: renderSshd(layout), mode: 0o644 }] as const]),
  ]
  const missing = baseFolders.filter((path) => folders.get(path)?.right !== true)
  const outdated = rendered.filter(([path, { text, mode }]) => {
    const seen = files.get(path)
    return seen?.text !== text || seen.mode !== mode
  })
  const written = outdated.some(([path]) => path === sshdDropIn)
  return {
    changes: [
      ...missing.map((target) => change(target, 'make folder', { after: 'root 0755' })),
      ...outdated.map(([target, { mode }]) => change(target, 'write file', { after: `root 0${mode.toString(8)}` })),
      ...reloads(observed, written),
    ],
    refused: [],
    targets: [...baseFolders, ...rendered.map(([path]) => path)],
    files: new Map(outdated),
    warnings: warningsOf(observed),
    observed,
  }
}

function planAbsent(observed: BaseObservation): BaseChangeSet {
  const files = baseFiles.filter((path) => observed.files.has(path))
  const folders = baseFolders.filter((path) => observed.folders.has(path)).toReversed()
  const gone = new Set([...files, reloadMark])
  const refused: Refused<AccountError>[] = []
  for (const folder of folders) {
    const left = observed.folders
      .get(folder)!
      .names.filter((name) => !isUnfinished(name) && !gone.has(`${folder}/${name}`))
    if (left.length === 0) gone.add(folder)
    else refused.push({ target: folder, error: folderInUse(folder, left) })
  }
  return {
    changes: [
      ...files.map((target) => change(target, 'remove file')),
      ...reloads(observed, files.includes(sshdDropIn)),
      ...folders.filter((path) => gone.has(path)).map((target) => change(target, 'remove folder')),
    ],
    refused,
    targets: [...baseFiles, ...baseFolders],
    files: new Map(),
    warnings: [],
    observed,
  }
}

function folderInUse(folder: string, left: readonly string[]): AccountError {
  const names = `${left.slice(0, 5).join(', ')}${left.length > 5 ? ', …' : ''}`
  const detail = `it is not empty: ${names}`
  return new AccountError('ACCOUNT_FOLDER_IN_USE', { operation: 'remove the folder', target: folder, detail })
}

/** sshd reads its configuration after the drop-in has changed. While it refuses its configuration, a reload would end it. */
function reloads({ live, sshd, reloadPending }: BaseObservation, written: boolean): readonly BaseChange[] {
  if (!live || sshd === undefined || sshd.refusal !== undefined || !(written || reloadPending)) return []
  return [change(sshdDropIn, 'reload sshd', { command: 'systemctl reload ssh.service' })]
}

function change(
  target: string,
  action: BaseChange['action'],
  more: Pick<Change, 'after' | 'command'> = {},
): BaseChange {
  return { facility: 'accounts', target, action, ...more }
}

function warningsOf({ live, sshd, systemd }: BaseObservation): readonly string[] {
  return [
    ...(sshd === undefined ? ['sshd is not installed, so tenants cannot log in; install openssh-server'] : []),
    ...(sshd === undefined || includesDropIns(sshd.config)
      ? []
      : [
          `${sshdConfig} does not include /etc/ssh/sshd_config.d/*.conf, so tenants' keys are not read; add that line at its top`,
        ]),
    ...(systemd
      ? []
      : ['systemd is not the init of this host, so linger starts nothing and user services do not exist']),
    ...(live && sshd?.refusal !== undefined
      ? [`sshd refuses its configuration as it was before: ${sshd.refusal}`]
      : []),
    ...(sshd?.usePam === false
      ? ['sshd runs with UsePAM no and takes locked passwords for locked accounts: tenants cannot log in']
      : []),
  ]
}
