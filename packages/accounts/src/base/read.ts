import { runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { environmentFolder, keysFolder, loginFolderMode, ownFolder, releasedFolder } from '../login/read.ts'
import type { SlotLayout } from '../slots.ts'
import { checkSshd, readUsePam } from './sshd.ts'

/** The main configuration file of sshd. */
export const sshdConfig = '/etc/ssh/sshd_config'
/** The name sorts early: when several `Match` blocks apply, sshd takes each setting from the first one. */
export const sshdDropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
export const profile = '/etc/profile.d/puppy.sh'
export const generator = '/etc/systemd/user-environment-generators/50-puppy'
/** Exists while sshd must still reload its configuration. So after a kill, the next process reloads sshd. */
export const reloadMark = `${ownFolder}/sshd-reload`

/** The folders of this package, parents first. */
export const baseFolders: readonly string[] = [ownFolder, keysFolder, environmentFolder, releasedFolder]

/** Returns the mode of a folder of this package. Only root reads which slots were released. Pure. */
export function folderMode(path: string): number {
  return path === releasedFolder ? 0o700 : loginFolderMode
}

/** The files of this package. */
export const baseFiles: readonly string[] = [profile, generator, sshdDropIn]

interface FileState {
  /** Absent when it is not a plain file of root. */
  readonly text?: string
  readonly mode: number
}

interface FolderState {
  /** Whether it is a folder of root with the mode of `folderMode`. */
  readonly right: boolean
  /** The names in the folder. */
  readonly names: readonly string[]
}

interface SshdState {
  /** The text of the main configuration file. */
  readonly config: string
  /** Why `sshd -t` refuses the current configuration. Absent when sshd accepts it, and on a host that is only a folder. */
  readonly refusal?: string
  /** When false, sshd treats a locked password as a locked account, and no key is accepted for it. */
  readonly usePam: boolean
}

/** The state that `planBase` compares with the spec. */
export interface BaseObservation {
  readonly layout: SlotLayout
  readonly live: boolean
  readonly systemd: boolean
  /** Absent on a host without sshd. */
  readonly sshd?: SshdState
  /** Whether sshd must still reload a drop-in that was written before. */
  readonly reloadPending: boolean
  /** By path. Missing folders and files are not in the maps. */
  readonly folders: ReadonlyMap<string, FolderState>
  readonly files: ReadonlyMap<string, FileState>
}

/**
 * Reads the base files of a host. On a live host also checks the configuration of sshd (`sshd -t`, `sshd -T`).
 *
 * @throws HostError `HOST_READ_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`.
 */
export async function readBase(host: Host, layout: SlotLayout, options: EffectOptions = {}): Promise<BaseObservation> {
  const [sshd, paths, systemd] = await Promise.all([readSshd(host, options), readPaths(host), runsSystemd(host)])
  return { layout, live: host.live, systemd, ...(sshd === undefined ? {} : { sshd }), ...paths }
}

/** Reads only the folders and files. @throws HostError `HOST_READ_FAILED`. */
export async function readPaths(host: Host): Promise<Pick<BaseObservation, 'reloadPending' | 'folders' | 'files'>> {
  const folders = await Promise.all(baseFolders.map((path) => readFolder(host, path)))
  const files = await Promise.all(baseFiles.map((path) => readFile(host, path)))
  return {
    reloadPending: host.live && (await host.status(reloadMark)) !== undefined,
    folders: new Map(folders.filter((entry) => entry !== undefined)),
    files: new Map(files.filter((entry) => entry !== undefined)),
  }
}

async function readFolder(host: Host, path: string): Promise<readonly [string, FolderState] | undefined> {
  const status = await host.status(path)
  if (status === undefined) return undefined
  const right = status.kind === 'folder' && status.mode === folderMode(path) && status.uid === 0 && status.gid === 0
  return [path, { right, names: status.kind === 'folder' ? await host.list(path) : [] }]
}

async function readFile(host: Host, path: string): Promise<readonly [string, FileState] | undefined> {
  const status = await host.status(path)
  if (status === undefined) return undefined
  const plain = status.kind === 'file' && status.uid === 0 && status.gid === 0
  return [path, { mode: status.mode, ...(plain ? { text: (await host.read(path)) ?? '' } : {}) }]
}

async function readSshd(host: Host, options: EffectOptions): Promise<SshdState | undefined> {
  if (host.live && host.program('sshd') === undefined) return undefined
  const config = await host.read(sshdConfig)
  if (config === undefined) return undefined
  if (!host.live) return { config, usePam: true }
  const refusal = await checkSshd(host, options)
  if (refusal !== undefined) return { config, refusal, usePam: true }
  return { config, usePam: await readUsePam(host, options) }
}
