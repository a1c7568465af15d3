import { HostError, isUnfinished, type Host } from '@puppy/host'
import type { AccountChange, EffectOptions } from '../change.ts'
import { AccountError } from '../errors.ts'
import { assertLayout, type SlotLayout } from '../slots.ts'
import { environmentFolder, keysFolder, ownFolder } from '../login/logins.ts'
import { findProgram, runOptions, runsSystemd } from '../program.ts'
import { includesDropIns, renderGenerator, renderProfile, renderSshd } from './texts.ts'

const sshdConfig = '/etc/ssh/sshd_config'
/** An early name: of several `Match` blocks that fit, sshd takes each setting from the first. */
const sshdDropIn = '/etc/ssh/sshd_config.d/10-puppy.conf'
const profile = '/etc/profile.d/puppy.sh'
const generator = '/etc/systemd/user-environment-generators/50-puppy'
const folders = [ownFolder, keysFolder, environmentFolder]
/** Folders of others that our files need and that we leave behind. */
const homesOfFiles: readonly string[] = [
  '/etc/ssh/sshd_config.d',
  '/etc/profile.d',
  '/etc/systemd/user-environment-generators',
]

/** A file of ours and how it should be. */
export interface BaseFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

/** What there is of the base. */
export interface BaseObservation {
  /** The main sshd_config; absent without sshd. */
  readonly sshdConfig?: string
  readonly systemd: boolean
  /** Our folders that are as they should be. */
  readonly folders: readonly string[]
  /** Text and mode by path; what is not there, or is no plain file of root, is not here. */
  readonly files: ReadonlyMap<string, { readonly text: string; readonly mode: number }>
}

export interface BasePlan {
  readonly changes: readonly AccountChange[]
  readonly folders: readonly string[]
  readonly files: readonly BaseFile[]
  /** What this machine lacks, and what does not work because of it. */
  readonly degraded: readonly string[]
}

export interface BaseResult {
  readonly changes: readonly AccountChange[]
  readonly degraded: readonly string[]
  /** What is left for a person, or for a machine that is not only a folder. */
  readonly planned: readonly string[]
}

/** Reads what there is of the base. @throws HostError `HOST_READ_FAILED`. */
export async function readBase(host: Host): Promise<BaseObservation> {
  const hasSshd = !host.live || host.program('sshd') !== undefined
  const config = hasSshd ? await host.read(sshdConfig) : undefined
  const states = await Promise.all(folders.map((path) => host.status(path)))
  const files = await Promise.all([sshdDropIn, profile, generator].map((path) => readFile(host, path)))
  return {
    ...(config === undefined ? {} : { sshdConfig: config }),
    systemd: await runsSystemd(host),
    folders: folders.filter((_, index) => {
      const state = states[index]
      return state?.kind === 'folder' && state.mode === 0o755 && state.uid === 0 && state.gid === 0
    }),
    files: new Map(files.filter((entry) => entry !== undefined)),
  }
}

/**
 * Plans the base: our folders, sshd's drop-in where there is sshd, and what gives logins and user services their
 * variables. Pure.
 */
export function planBase(layout: SlotLayout, observed: BaseObservation): BasePlan {
  assertLayout(layout)
  const missing = folders.filter((path) => !observed.folders.includes(path))
  const files = wantedFiles(layout, observed).filter(({ path, text, mode }) => {
    const seen = observed.files.get(path)
    return seen?.text !== text || seen.mode !== mode
  })
  return {
    changes: [
      ...missing.map((target): AccountChange => ({
        facility: 'accounts',
        target,
        action: 'make folder',
        after: '0755',
      })),
      ...files.map(({ path }): AccountChange => ({ facility: 'accounts', target: path, action: 'write file' })),
    ],
    folders: missing,
    files,
    degraded: degradations(observed),
  }
}

/**
 * Makes the base so, once per host. Needs root. A second call writes nothing.
 *
 * On a live machine sshd's own check (`sshd -t`) decides whether the drop-in stays: if it refuses the configuration
 * with it and took the one before, the file is put back as it was. Then an active ssh unit is reloaded; without systemd
 * that is left to a person and said so. Below a root folder nothing is checked or reloaded.
 *
 * @throws AccountError `ACCOUNT_SSHD_REFUSED`; HostError `HOST_WRITE_FAILED`.
 * @see sshd_config(5), sshd(8)
 */
export async function ensureBase(host: Host, layout: SlotLayout, options: EffectOptions = {}): Promise<BaseResult> {
  const plan = planBase(layout, await readBase(host))
  for (const folder of plan.folders) await host.makeFolder(folder, { mode: 0o755, uid: 0, gid: 0 })
  for (const file of plan.files) if (file.path !== sshdDropIn) await writeFile(host, file)
  const dropIn = plan.files.find(({ path }) => path === sshdDropIn)
  const sshd = dropIn === undefined ? await readFaults(host, options) : await writeDropIn(host, dropIn, options)
  return { changes: plan.changes, degraded: [...plan.degraded, ...sshd.degraded], planned: sshd.planned }
}

/**
 * Takes the base away: our files, and our folders when nothing is left in them. Reloads sshd as `ensureBase` does.
 * Other files in our folders are somebody's logins; they stay, and are named in `planned`.
 */
export async function removeBase(host: Host, options: EffectOptions = {}): Promise<BaseResult> {
  const changes: AccountChange[] = []
  const remove = async (target: string, action: string) => {
    if ((await host.remove(target)).changed) changes.push({ facility: 'accounts', target, action })
  }
  for (const path of [sshdDropIn, profile, generator]) await remove(path, 'remove file')
  const reload = changes.some(({ target }) => target === sshdDropIn) ? await reloadSshd(host, options) : []
  const left: string[] = []
  for (const folder of folders.toReversed()) {
    const all = await host.list(folder)
    const unfinished = all.filter((name) => isUnfinished(name))
    for (const name of unfinished) await host.remove(`${folder}/${name}`)
    const names = all.filter((name) => !isUnfinished(name))
    if (names.length === 0) await remove(folder, 'remove folder')
    else left.push(`${folder} is not empty: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', …' : ''}`)
  }
  return { changes, degraded: [], planned: [...reload, ...left] }
}

function wantedFiles(layout: SlotLayout, observed: BaseObservation): readonly BaseFile[] {
  return [
    { path: profile, text: renderProfile(), mode: 0o644 },
    { path: generator, text: renderGenerator(), mode: 0o755 },
    ...(observed.sshdConfig === undefined ? [] : [{ path: sshdDropIn, text: renderSshd(layout), mode: 0o644 }]),
  ]
}

function degradations({ sshdConfig: config, systemd }: BaseObservation): readonly string[] {
  return [
    ...(config === undefined ? ['There is no sshd, so nobody can log in; install openssh-server'] : []),
    ...(config === undefined || includesDropIns(config)
      ? []
      : [
          `${sshdConfig} does not include /etc/ssh/sshd_config.d/*.conf, so tenants' keys are not read; add that line at its top`,
        ]),
    ...(systemd ? [] : ['systemd does not run here, so linger starts nothing and there are no user services']),
  ]
}

async function readFile(host: Host, path: string) {
  const status = await host.status(path)
  if (status?.kind !== 'file' || status.uid !== 0 || status.gid !== 0) return undefined
  return [path, { text: (await host.read(path)) ?? '', mode: status.mode }] as const
}

async function writeFile(host: Host, { path, text, mode }: BaseFile): Promise<void> {
  const folder = homesOfFiles.find((name) => path.startsWith(`${name}/`))
  if (folder !== undefined && (await host.status(folder)) === undefined) await host.makeFolder(folder, { mode: 0o755 })
  await host.replace(path, text, { mode, uid: 0, gid: 0 })
}

async function writeDropIn(host: Host, file: BaseFile, options: EffectOptions) {
  if (!host.live) {
    await writeFile(host, file)
    return {
      degraded: [],
      planned: ['sshd is not asked about its configuration, nor told to read it: this is only a folder'],
    }
  }
  const before = await host.read(file.path)
  const refusedBefore = await checkSshd(host, options)
  await writeFile(host, file)
  const refused = await checkSshd(host, options)
  if (refused !== undefined && refusedBefore === undefined) {
    await (before === undefined ? host.remove(file.path) : host.replace(file.path, before))
    throw new AccountError('ACCOUNT_SSHD_REFUSED', {
      operation: 'write',
      target: file.path,
      detail: `sshd -t said: ${refused}`,
    })
  }
  const { degraded } = await readFaults(host, options)
  return { degraded, planned: refused === undefined ? await reloadSshd(host, options) : [] }
}

/** What keeps tenants out although our file is there. */
async function readFaults(host: Host, options: EffectOptions): Promise<Pick<BaseResult, 'degraded' | 'planned'>> {
  if (!host.live || host.program('sshd') === undefined) return { degraded: [], planned: [] }
  const refused = await checkSshd(host, options)
  if (refused === undefined) return { degraded: await readUsePam(host, options), planned: [] }
  return { degraded: [`sshd refuses its configuration, and not because of our file: ${refused}`], planned: [] }
}

/** What `sshd -t` has against the configuration, or undefined when it takes it. */
async function checkSshd(host: Host, options: EffectOptions): Promise<string | undefined> {
  try {
    await host.run([findProgram(host, 'sshd'), '-t'], runOptions('nothing', options))
    return undefined
  } catch (error) {
    if (error instanceof HostError && error.code === 'HOST_PROGRAM_FAILED') return error.facts.stderr ?? error.message
    throw error
  }
}

/** Without PAM sshd takes a locked password for a locked account, and no key opens it. */
async function readUsePam(host: Host, options: EffectOptions): Promise<readonly string[]> {
  const command = [findProgram(host, 'sshd'), '-T', '-C', 'user=root,host=localhost,addr=127.0.0.1'] as const
  const run = await host.run([...command], runOptions('nothing', options, { accept: [0, 1, 255] }))
  return /^usepam no$/m.test(run.stdout)
    ? ['sshd runs with UsePAM no and takes locked passwords for locked accounts: no tenant can log in']
    : []
}

/** Socket-activated sshd reads its configuration for every connection: nothing active, nothing to reload. */
async function reloadSshd(host: Host, options: EffectOptions): Promise<readonly string[]> {
  if (!host.live) return []
  const systemctl = (await runsSystemd(host)) ? host.program('systemctl') : undefined
  if (systemctl === undefined) return ['Tell sshd to read its configuration: kill -HUP its process']
  const list = [
    systemctl,
    'list-units',
    '--no-legend',
    '--plain',
    '--state=active',
    'ssh.service',
    'sshd.service',
  ] as const
  const { stdout } = await host.run([...list], runOptions('nothing', options))
  const units = [...new Set(stdout.match(/^sshd?\.service/gm))]
  if (units.length > 0) await host.run([systemctl, 'reload', ...units], runOptions('machine', options))
  return []
}
