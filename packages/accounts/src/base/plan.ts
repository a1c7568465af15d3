import { isUnfinished, type Change, type ChangeSet, type Refused } from '@puppy/host'
import { AccountError } from '../errors.ts'
import {
  baseFiles,
  baseFolders,
  folderMode,
  generator,
  profile,
  reloadMark,
  sshdConfig,
  sshdDropIn,
  type BaseObservation,
} from './read.ts'
import { includesDropIns, renderGenerator, renderProfile, renderSshd } from './texts.ts'

/** Whether the base files should exist. */
export type BaseSpec = 'present' | 'absent'

/** A change of one folder or file of the base. Its target is the path. */
export interface BaseChange extends Change {
  readonly action: 'make folder' | 'write file' | 'reload sshd' | 'remove file' | 'remove folder'
}

/** The text and mode that a file should have. */
export interface BaseFile {
  readonly text: string
  readonly mode: number
}

/** The differences between the base files and what is on disk, in the order in which they are applied. */
export interface BaseChangeSet extends ChangeSet<BaseChange, AccountError> {
  readonly refused: readonly Refused<AccountError>[]
  /** The path of every folder and file of the spec. */
  readonly targets: readonly string[]
  /** The files to write, by path. */
  readonly files: ReadonlyMap<string, BaseFile>
  /** What is missing on this machine, and what does not work because of it. */
  readonly warnings: readonly string[]
  readonly observed: BaseObservation
}

/**
 * Plans the base files: the folders of this package, the drop-in of sshd if sshd is installed, and the files that set variables in logins
 * and user services. Pure.
 *
 * `absent` removes the files, and then the folders if they are empty. A folder with other files is refused, because those files are logins
 * of users.
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
      ...missing.map((target) => change(target, 'make folder', { after: `root 0${folderMode(target).toString(8)}` })),
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
  const detail = `it is not empty: ${names}; remove the slots of these tenants first`
  return new AccountError('ACCOUNT_FOLDER_IN_USE', { operation: 'remove the folder', target: folder, detail })
}

/** Plans a reload after the drop-in has changed. If sshd refuses its configuration, a reload would terminate it. */
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
    ...(sshd === undefined
      ? ['sshd is not installed, so tenants cannot log in; run apt-get install openssh-server']
      : []),
    ...(sshd === undefined || includesDropIns(sshd.config)
      ? []
      : [
          `${sshdConfig} does not include its drop-ins, so tenants cannot log in; add at its top: Include /etc/ssh/sshd_config.d/*.conf`,
        ]),
    ...(systemd
      ? []
      : ['systemd is not the init of this host, so linger has no effect and tenants have no user services']),
    ...(live && sshd?.refusal !== undefined
      ? [`sshd refuses its existing configuration, so it is not reloaded; correct the configuration: ${sshd.refusal}`]
      : []),
    ...(sshd?.usePam === false
      ? [
          'sshd runs with UsePAM no and treats a locked password as a locked account, so tenants cannot log in; set UsePAM yes',
        ]
      : []),
  ]
}
