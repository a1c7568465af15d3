import type { Host } from '@puppy/host'
import { contextIn, isIdentifier, type Context } from './context.ts'
import { SelinuxError } from './errors.ts'
import { renderLevel, type Level } from './level.ts'
import { asOwner } from './owner.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'
import { selinuxfs } from './state.ts'

/** A tree whose files get a SELinux user and one level; their types stay. */
export interface RelabelWish {
  /** Absolute and plain: a home. */
  readonly path: string
  readonly user: string
  readonly level: Level
  /** Only files of this uid, folders, and files with one name are changed: a second name of somebody else's file is not followed. */
  readonly uid: number
}

export interface RelabelOptions extends EffectOptions {
  /** Whether types of the owner's files are made what the policy says first, as after a restore: restorecon(8). Default false. */
  readonly types?: boolean
}

/** A path with what it is labelled; without a context where it has none, or one that cannot be read. */
export interface Label {
  readonly path: string
  readonly context?: Context
}

/** Folders that are the system's, and everything below them but what is below `/var` and `/srv`. */
const systemTrees = 'bin boot dev etc lib lib64 proc root run sbin sys tmp usr'.split(' ')
/** Folders that are nobody's home themselves. */
const parents = 'home mnt media opt srv var var/lib var/log var/tmp var/spool var/www'.split(' ')

/**
 * Refuses a path that is no home of somebody: not absolute and plain, `/`, a system's folder or what is below one.
 *
 * @throws SelinuxError `SELINUX_INVALID`.
 */
export function assertTree(path: string): void {
  const words = /^(\/[^/\0]+)+$/.test(path) ? path.slice(1).split('/') : []
  const plain = words.length > 0 && !words.some((word) => word === '.' || word === '..')
  const system = systemTrees.includes(words[0] ?? '') || parents.includes(words.join('/'))
  if (plain && !system) return
  const detail = plain ? 'it is the system’s' : 'it must be absolute and plain'
  throw new SelinuxError('SELINUX_INVALID', { operation: 'relabel', value: path, detail })
}

/**
 * Gives everything in a tree a user and a level, and says whether there was something to change.
 *
 * Links are labelled, not followed; other file systems are not entered; what is right is skipped. A folder is labelled after what is in it
 * and the top last, so the top's label says that all is done, and a second call goes on where the first was killed.
 *
 * The tree's owner may change it meanwhile. What is its own is labelled with its rights alone, quickly and by paths; what is left over, as
 * others' files in it or folders deeper than a path can be, one folder after the other by its descriptor.
 *
 * @throws SelinuxError `SELINUX_INVALID` for paths of the system, `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
 * @see find(1) about -execdir, chcon(1), restorecon(8)
 */
export async function relabel(
  host: Host,
  wish: RelabelWish,
  options: RelabelOptions = {},
): Promise<{ readonly changed: boolean }> {
  const { path, user, level, uid } = wish
  await assertWish(host, wish)
  const text = renderLevel(level)
  const run = { operation: 'relabel', target: path, touches: 'files', ...bounded(options) } as const
  const ours = ['(', '-type', 'd', '-o', '-uid', `${uid}`, '-o', '-links', '1', ')']
  const wrong = ['!', '-context', `${user}:*:${text}`]
  const change = ['chcon', '--no-dereference', '--user', user, '--range', text, '--', '{}', '+']
  const find = ['find', '-P', host.path(path)] as const
  const look = async () =>
    (await runProgram(host, [...find, '-xdev', ...ours, ...wrong, '-print0', '-quit'], run)).stdout

  if (options.types === true) {
    const restore = asOwner(host, uid, ['restorecon', '-R', '-x', '--', host.path(path)])
    await runProgram(host, restore, { ...run, accept: [0, someFailed] })
  }
  if ((await look()) === '') return { changed: false }
  // A file that went away between being found and being labelled is an error of chcon, and no fault: the look afterwards decides.
  const act = { ...run, accept: [0, 1] }
  const owned = ['-mindepth', '1', '-xdev', '-depth', '-uid', `${uid}`, ...wrong]
  await runProgram(host, asOwner(host, uid, [...find, ...owned, '-exec', ...change]), act)
  await runProgram(host, [...find, '-xdev', '-depth', ...ours, ...wrong, '-execdir', ...change], act)
  const left = await look()
  if (left === '') return { changed: true }
  const detail = `the kernel does not give the label to ${left.slice(0, -1)}`
  throw new SelinuxError('SELINUX_REFUSED', { ...run, value: `${user}:…:${text}`, detail })
}

/** What restorecon(8) ends with when it could not label a file: others' are left to them. */
const someFailed = 255

async function assertWish(host: Host, { path, user, uid }: RelabelWish): Promise<void> {
  assertTree(path)
  if (!isIdentifier(user)) throw invalid('label as the user', user, 'it is no name of a SELinux user')
  if (!Number.isInteger(uid) || uid < 1) throw new RangeError(`Files of uid ${uid} are not relabelled`)
  if ((await host.status(`${selinuxfs}/enforce`)) === undefined) {
    throw new SelinuxError('SELINUX_DISABLED', {
      operation: 'relabel',
      target: path,
      detail: 'SELinux is off in this kernel',
    })
  }
  if ((await host.status(path))?.kind !== 'folder') throw invalid('relabel', path, 'no folder stands there')
}

/**
 * Reads what paths are labelled, links not followed, in their order; those that are not there are left away. One process.
 *
 * @throws SelinuxError `SELINUX_REFUSED`, `SELINUX_TIMEOUT`, `SELINUX_NOT_INSTALLED`.
 */
export async function readLabels(
  host: Host,
  paths: readonly string[],
  options: EffectOptions = {},
): Promise<readonly Label[]> {
  const wrong = paths.find((path) => !/^\/[^\0]*$/.test(path))
  if (wrong !== undefined) throw invalid('read the label of', wrong, 'it must be absolute')
  if (paths.length === 0) return []
  const { stdout } = await runProgram(
    host,
    ['find', '-P', '-files0-from', '-', '-maxdepth', '0', '-printf', '%Z\\0%p\\0'],
    {
      operation: 'read the labels of',
      target: paths[0] ?? '',
      touches: 'nothing',
      input: paths.map((path) => `${host.path(path)}\0`).join(''),
      accept: [0, 1],
      ...bounded(options),
    },
  )
  const words = stdout.split('\0')
  const found = new Map(words.flatMap((word, at) => (at % 2 === 1 ? [[word, words[at - 1] ?? '']] : [])))
  return paths.flatMap((path) => {
    const text = found.get(host.path(path))
    if (text === undefined) return []
    // Find prints nothing, or what the file system has, which may be anything.
    const context = contextIn(text)
    return [context === undefined ? { path } : { path, context }]
  })
}

function invalid(operation: string, value: string, detail: string): SelinuxError {
  return new SelinuxError('SELINUX_INVALID', { operation, value, detail })
}
