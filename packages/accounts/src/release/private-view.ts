import { HostError, runOptions, type Command, type EffectOptions, type Host } from '@puppy/host'
import { findProgram } from '../program.ts'

/** Folders as their file systems have them: no mount hides a file in them. */
export interface PrivateView {
  /** Returns where a path below one of the folders is in this view. */
  inside(path: string): string
  /** Returns the path on the machine of a path in this view. */
  outside(path: string): string
  /**
   * Runs programs one after the other that see this view. Each may exit with 0 or 1. Returns what they wrote to standard output.
   *
   * @throws HostError, also when the view cannot be made
   */
  run(commands: readonly Command[], options: EffectOptions): Promise<string>
}

/** The folder with POSIX message queues. It is a file system of its own, which a machine need not have mounted. */
export const queueFolder = '/dev/mqueue'

/** Exit code of the program that makes the view, when it cannot make it. Node itself returns 1 for an error in the program. */
const unmade = 120

/**
 * The program that mounts each folder again without what is mounted below it, and then runs the commands. Its mount namespace ends with it, so
 * nothing remains when it is killed.
 *
 * First it unmounts what is mounted below the folders, in this namespace only, because the kernel does not remove a folder on which
 * something is mounted in the same namespace. It unmounts by descriptors, and afterwards compares the folders: a user who moves folders
 * meanwhile must not make it search other ones. A path is bytes, and need not be UTF-8.
 */
const maker = String.raw`
const { execFileSync, spawnSync } = require('node:child_process')
const { closeSync, constants, mkdirSync, openSync, readFileSync, realpathSync, statSync } = require('node:fs')
const { mount, umount, base, folders, commands } = JSON.parse(readFileSync(0, 'utf8'))
const run = (...words) => execFileSync(words[0], words.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] })
const pathOnly = 0o10000000 | constants.O_NOFOLLOW | constants.O_DIRECTORY
const unescape = (word) => word.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
const below = (real) => readFileSync('/proc/self/mountinfo', 'latin1').split('\n')
  .map((line) => line.split(' ')).filter((words) => words.length > 6)
  .map((words) => ({ id: words[0], path: unescape(words[4]) }))
  .filter(({ path }) => real.some((folder) => path.startsWith(folder + '/')))
const unmount = ({ id, path }) => {
  let opened
  try { opened = openSync(Buffer.from(path, 'latin1'), pathOnly) } catch { return }
  const is = /^mnt_id:\t(\d+)$/m.exec(readFileSync('/proc/self/fdinfo/' + opened, 'latin1'))[1] === id
  if (is) run(umount, '--no-canonicalize', '--lazy', '--', '/proc/' + process.pid + '/fd/' + opened)
  closeSync(opened)
}
const identify = (path) => { const { dev, ino } = statSync(path, { bigint: true }); return dev + ':' + ino }
try {
  const plain = folders.filter((folder) => folder !== '${queueFolder}')
  const before = new Map(plain.map((folder) => [folder, identify(folder)]))
  const real = plain.map((folder) => Buffer.from(realpathSync(folder)).toString('latin1'))
  for (let attempt = 0; attempt < 20 && below(real).length > 0; attempt += 1) below(real).forEach(unmount)
  run(mount, '-t', 'tmpfs', '-o', 'mode=0700', 'none', base)
  folders.forEach((folder, n) => {
    const place = base + '/' + n
    mkdirSync(place)
    if (folder === '${queueFolder}') run(mount, '-t', 'mqueue', 'none', place)
    else run(mount, '--bind', '--', folder, place)
    if (before.has(folder) && identify(place) !== before.get(folder)) throw new Error(folder + ' was replaced meanwhile')
  })
} catch (error) {
  console.error(error.message)
  process.exit(${unmade})
}
for (const [program, ...words] of commands) {
  const { status } = spawnSync(program, words, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0 && status !== 1) process.exit(121)
}`

/** Folders that every machine has, and in which a tmpfs is mounted for the time of one program. */
const bases = ['/mnt', '/media', '/opt'] as const

/**
 * Opens a view of folders. A user can mount a FUSE file system over a folder, and then a search by path does not find the files below it.
 * In the view these files are found. A folder below which another file system is mounted can be removed through the view: the kernel
 * then detaches that mount everywhere.
 *
 * A host that is only a folder has no view of its own: its files are used as they are.
 *
 * @see mount_namespaces(7), unshare(1), rmdir(2)
 */
export function openView(host: Host, folders: readonly string[]): PrivateView {
  if (!host.live) return plainView(host)
  const base = bases.find((path) => !folders.some((folder) => folder === path || folder.startsWith(`${path}/`)))!
  const placeOf = (folder: string) => `${base}/${folders.indexOf(folder)}`
  return Object.freeze({
    inside: (path: string) => {
      const folder = folders.find((one) => path === one || path.startsWith(`${one}/`))
      if (folder === undefined) throw new RangeError(`The view has no folder that contains ${path}`)
      return placeOf(folder) + path.slice(folder.length)
    },
    outside: (path: string) => {
      const place = /^\/[a-z]+\/(\d+)(?=\/|$)/.exec(path)
      return place === null ? path : (folders[Number(place[1])] ?? '') + path.slice(place[0].length)
    },
    run: async (commands: readonly Command[], options: EffectOptions) => {
      // The commands may be longer than the kernel allows for one argument.
      const input = JSON.stringify({
        mount: findProgram(host, 'mount'),
        umount: findProgram(host, 'umount'),
        base,
        folders,
        commands,
      })
      const unshare = [findProgram(host, 'unshare'), '--mount', '--propagation', 'private', '--'] as const
      const all = [...unshare, process.execPath, '--eval', maker] as const
      const result = await host.run([...all], runOptions('machine', options, { input, accept: [0, unmade] }))
      if (result.exitCode !== unmade) return result.stdout
      throw new HostError('HOST_PROGRAM_FAILED', {
        operation: 'mount folders in a mount namespace',
        command: folders.join(' '),
        stderr: result.stderr.trim().slice(-500),
        detail: 'files below the mounts of other users cannot be searched; it needs the capability CAP_SYS_ADMIN',
      })
    },
  })
}

function plainView(host: Host): PrivateView {
  return Object.freeze({
    inside: (path: string) => host.path(path),
    outside: (path: string) => path.slice(host.root.length),
    run: async (commands: readonly Command[], options: EffectOptions) => {
      let printed = ''
      for (const command of commands)
        printed += (await host.run(command, runOptions('files', options, { accept: [0, 1] }))).stdout
      return printed
    },
  })
}
