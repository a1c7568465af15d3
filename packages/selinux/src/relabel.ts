import { hasSelinux, type EffectOptions, type Host } from '@puppy/host'
import { asOwner } from './as-owner.ts'
import { identifierRule, isIdentifier } from './context.ts'
import { SelinuxError } from './errors.ts'
import { renderLevel, type Level } from './level.ts'
import { effectOptions, programOf, runCommand } from './program.ts'

/** A tree, and the SELinux user and level for all its files. The types of the files stay. */
export interface RelabelSpec {
  /** An absolute path without `.` and `..`, such as a home. */
  readonly path: string
  readonly user: string
  readonly level: Level
  /**
   * The owner. Only files of this uid, folders, and files with one name are changed. A hard link to a file of another user is not
   * changed.
   */
  readonly uid: number
}

export interface RelabelOptions extends EffectOptions {
  /**
   * Whether restorecon(8) first sets the types of the policy on the files of the owner, for example after a restore from a backup.
   * Default false.
   */
  readonly types?: boolean
}

/** System folders. Nothing below them is relabelled. */
const systemTrees = 'bin boot dev etc lib lib64 proc root run sbin sys tmp usr'.split(' ')
/** Folders that may contain homes and are not homes themselves. */
const parents = 'home mnt media opt srv var var/lib var/log var/tmp var/spool var/www'.split(' ')

/**
 * Checks that a path can be a home. Refuses a path that is not absolute and plain, `/`, and system folders.
 *
 * @throws SelinuxError `SELINUX_INVALID`.
 */
export function assertTree(path: string): void {
  const words = /^(\/[^/\0]+)+$/.test(path) ? path.slice(1).split('/') : []
  const plain = words.length > 0 && !words.some((word) => word === '.' || word === '..')
  const system = systemTrees.includes(words[0] ?? '') || parents.includes(words.join('/'))
  if (plain && !system) return
  const detail = plain ? 'the path is a system folder' : 'the path must be absolute, without . and ..'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'relabel', target: path, detail })
}

/**
 * Sets a SELinux user and a level on every file in a tree. Returns whether any file had another one.
 *
 * Links are relabelled, not followed. Other file systems are not entered. A folder is relabelled after its content, and the top folder
 * last. Therefore the context of the top folder shows that the whole tree is relabelled, and a second call continues after a killed one.
 *
 * The owner of the tree may change it meanwhile. Files of the owner are relabelled by path and only with the rights of the owner, which
 * is fast. The rest, such as files of other users and folders deeper than the maximum length of a path, is relabelled folder by folder
 * through descriptors.
 *
 * @throws SelinuxError `SELINUX_INVALID` for system folders, `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
 * @see find(1) about -execdir, chcon(1), restorecon(8)
 */
export async function relabel(
  host: Host,
  spec: RelabelSpec,
  options: RelabelOptions = {},
): Promise<{ readonly changed: boolean }> {
  const { path, user, level, uid } = spec
  await assertSpec(host, spec)
  const text = renderLevel(level)
  const run = { operation: 'relabel', target: path, touches: 'files', ...effectOptions(options) } as const
  const ours = ['(', '-type', 'd', '-o', '-uid', `${uid}`, '-o', '-links', '1', ')']
  const wrong = ['!', '-context', `${user}:*:${text}`]
  const change = ['chcon', '--no-dereference', '--user', user, '--range', text, '--', '{}', '+']
  const find = [programOf(host, 'find'), '-P', host.path(path)] as const
  const findWrong = async () =>
    (await runCommand(host, [...find, '-xdev', ...ours, ...wrong, '-print0', '-quit'], run)).stdout

  if (options.types === true) {
    const restore = asOwner(host, uid, [programOf(host, 'restorecon'), '-R', '-x', '--', host.path(path)])
    await runCommand(host, restore, { ...run, accept: [0, someFailed] })
  }
  if ((await findWrong()) === '') return { changed: false }
  // chcon fails for a file that is deleted after find saw it. Therefore only a second search shows whether all files are relabelled.
  const act = { ...run, accept: [0, 1] }
  const owned = ['-mindepth', '1', '-xdev', '-depth', '-uid', `${uid}`, ...wrong]
  await runCommand(host, asOwner(host, uid, [...find, ...owned, '-exec', ...change]), act)
  await runCommand(host, [...find, '-xdev', '-depth', ...ours, ...wrong, '-execdir', ...change], act)
  const left = await findWrong()
  if (left === '') return { changed: true }
  const detail = `${left.slice(0, -1)} still has another context: the kernel refused the change, or the tree was changed meanwhile; try again`
  throw new SelinuxError('SELINUX_REFUSED', {
    operation: run.operation,
    target: path,
    value: `${user}:…:${text}`,
    detail,
  })
}

/** The exit code of restorecon(8) when it could not relabel a file, such as a file of another user. */
const someFailed = 255

async function assertSpec(host: Host, { path, user, uid }: RelabelSpec): Promise<void> {
  assertTree(path)
  if (!isIdentifier(user)) throw invalid('relabel as the user', user, identifierRule)
  if (!Number.isInteger(uid) || uid < 1) {
    throw new RangeError(`Cannot relabel files of uid ${uid}: use a uid of 1 or higher`)
  }
  if (!(await hasSelinux(host))) {
    throw new SelinuxError('SELINUX_DISABLED', {
      operation: 'relabel',
      target: path,
      detail: 'SELinux is off in this kernel',
    })
  }
  if ((await host.status(path))?.kind !== 'folder') throw invalid('relabel', path, 'the path is not a folder')
}

function invalid(operation: string, target: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, target, detail })
}
