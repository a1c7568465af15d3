import { runsSystemd, type EffectOptions, type Host } from '@puppy/host'
import { environmentFolder, keysFolder, ownFolder } from '../login/read.ts'
import type { SlotLayout } from '../slots.ts'
import { checkSshd, readUsePam } from './sshd.ts'

/** The main configuration of sshd. */
export const sshdConfig = '/etc/ssh/sshd_config'
/** An early name: of several `Match` blocks that fit, sshd takes each setting from the first. */
export const sshdDropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
export const profile = '/etc/profile.d/puppy.sh'
export const generator = '/etc/systemd/user-environment-generators/50-puppy'
/** Exists while sshd has still to read its configuration: a process that is killed before the reload leaves the reload to the next one. */
export const reloadMark = `${ownFolder}/sshd-reload`

/** This package's folders, each before those in it. */
export const baseFolders: readonly string[] = [ownFolder, keysFolder, environmentFolder]
/** This package's files. */
export const baseFiles: readonly string[] = [profile, generator, sshdDropIn]

interface FileState {
  /** Absent: it is not a plain file of root. */
  readonly text?: string
  readonly mode: number
}

interface FolderState {
  /** It is a folder of root with mode 0755. */
  readonly right: boolean
  /** What is in it. */
  readonly names: readonly string[]
}

interface SshdState {
  /** The text of its main configuration. */
  readonly config: string
  /** Why `sshd -t` refuses the configuration as it is now. Absent: it does not, or was not asked because the host is only a folder. */
  readonly refusal?: string
  /** False: it takes a locked password for a locked account, and no key opens it. */
  readonly usePam: boolean
}

/** What the base files are compared with. */
export interface BaseObservation {
  readonly layout: SlotLayout
  readonly live: boolean
  readonly systemd: boolean
  /** Absent on a host without sshd. */
  readonly sshd?: SshdState
  /** Whether sshd has still to read a configuration that was written before. */
  readonly reloadPending: boolean
  /** By path. A folder or file that does not exist is not in the map. */
  readonly folders: ReadonlyMap<string, FolderState>
  readonly files: ReadonlyMap<string, FileState>
}

/**
 * Reads the base files of a host, and on a live one asks sshd about its configuration (`sshd -t`, `sshd -T`).
 * @throws HostError `HOST_READ_FAILED`, `HOST_TIMEOUT`, `HOST_ABORTED`.
 */
export async function readBase(host: Host, layout: SlotLayout, options: EffectOptions = {}): Promise<BaseObservation> {
  const [sshd, paths, systemd] = await Promise.all([readSshd(host, options), readPaths(host), runsSystemd(host)])
  return { layout, live: host.live, systemd, ...(sshd === undefined ? {} : { sshd }), ...paths }
}

/** Reads the folders and files alone. @throws HostError `HOST_READ_FAILED`. */
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
  const right = status.kind === 'folder' && status.mode === 0o755 && status.uid === 0 && status.gid === 0
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
