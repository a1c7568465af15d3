import { hasSelinux, type EffectOptions, type Host } from '@puppy/host'
import { asOwner } from './as-owner.ts'
import { isIdentifier } from './context.ts'
import { SelinuxError } from './errors.ts'
import { renderLevel, type Level } from './level.ts'
import { effectOptions, programOf, runCommand } from './program.ts'

/** A tree whose files get a SELinux user and one level; their types stay. */
export interface RelabelSpec {
  /** Absolute, without `.` and `..`: a home. */
  readonly path: string
  readonly user: string
  readonly level: Level
  /** Only files of this uid, folders, and files with one name are changed: a hard link to another user's file is left alone. */
  readonly uid: number
}

export interface RelabelOptions extends EffectOptions {
  /** Whether restorecon(8) first gives the owner's files the types of the policy, as after a restore from a backup. Default false. */
  readonly types?: boolean
}

/** Folders of the system. Nothing below them is relabelled. */
const systemTrees = 'bin boot dev etc lib lib64 proc root run sbin sys tmp usr'.split(' ')
/** Folders that homes may be below, and that are not homes themselves. */
const parents = 'home mnt media opt srv var var/lib var/log var/tmp var/spool var/www'.split(' ')

/**
 * Refuses a path that cannot be a home: one that is not absolute and plain, `/`, and the system's folders.
 *
 * @throws SelinuxError `SELINUX_INVALID`.
 */
export function assertTree(path: string): void {
  const words = /^(\/[^/\0]+)+$/.test(path) ? path.slice(1).split('/') : []
  const plain = words.length > 0 && !words.some((word) => word === '.' || word === '..')
  const system = systemTrees.includes(words[0] ?? '') || parents.includes(words.join('/'))
  if (plain && !system) return
  const detail = plain ? 'it is a folder of the system' : 'it must be absolute, without . and ..'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'relabel', target: path, detail })
}

/**
 * Gives every file in a tree a SELinux user and a level, and returns whether one had another.
 *
 * Links are relabelled, not followed. Other file systems are not entered. A folder is relabelled after its content and the top last: the
 * top's context shows that all is done, and a second call continues where the first was killed.
 *
 * The tree's owner may change it meanwhile. The owner's files are relabelled with the owner's rights alone, quickly and by paths. What is left,
 * such as other users' files and folders deeper than a path can be, is relabelled one folder after the other by its descriptor.
 *
 * @throws SelinuxError `SELINUX_INVALID` for paths of the system, `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
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
  // A file that is deleted between find and chcon makes chcon fail. What is left afterwards decides.
  const act = { ...run, accept: [0, 1] }
  const owned = ['-mindepth', '1', '-xdev', '-depth', '-uid', `${uid}`, ...wrong]
  await runCommand(host, asOwner(host, uid, [...find, ...owned, '-exec', ...change]), act)
  await runCommand(host, [...find, '-xdev', '-depth', ...ours, ...wrong, '-execdir', ...change], act)
  const left = await findWrong()
  if (left === '') return { changed: true }
  const detail = `the kernel does not give the context to ${left.slice(0, -1)}`
  throw new SelinuxError('SELINUX_REFUSED', {
    operation: run.operation,
    target: path,
    value: `${user}:…:${text}`,
    detail,
  })
}

/** The exit code of restorecon(8) when it could not relabel a file: other users' files are left alone. */
const someFailed = 255

async function assertSpec(host: Host, { path, user, uid }: RelabelSpec): Promise<void> {
  assertTree(path)
  if (!isIdentifier(user)) throw invalid('relabel as the user', user, 'it cannot be the name of a SELinux user')
  if (!Number.isInteger(uid) || uid < 1) throw new RangeError(`Files of uid ${uid} are not relabelled`)
  if (!(await hasSelinux(host))) {
    throw new SelinuxError('SELINUX_DISABLED', {
      operation: 'relabel',
      target: path,
      detail: 'SELinux is off in this kernel',
    })
  }
  if ((await host.status(path))?.kind !== 'folder') throw invalid('relabel', path, 'it is not a folder')
}

function invalid(operation: string, target: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, target, detail })
}
