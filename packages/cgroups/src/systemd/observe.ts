import type { Host } from '@puppy/host'
import { readLimits } from '../cgroupfs/apply-limits.ts'
import { openCgroupfs, type Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import type { Limits } from '../limits/limits.ts'
import { slicePath } from '../unit.ts'
import { hasPortRules, parseDropIn } from './drop-in.ts'
import { forEach } from './each.ts'
import { parseOldWalls, readPortRuleLinks, type PortRuleLink } from './port-rules.ts'

export interface SliceOptions {
  /** The name of our drop-in, without `.conf`. Default `50-puppy`; one that sorts later wins over one that sorts earlier. */
  readonly name?: string
  /** Where what is not finished is noted, gone with a reboot. Default `/run/puppy-cgroups`. */
  readonly runFolder?: string
  /** Where the tree is mounted. Default `/sys/fs/cgroup`. */
  readonly mount?: string
  /** The tree itself, for tests. */
  readonly cgroupfs?: Cgroupfs
}

/** What somebody else has set for a slice. */
export interface ForeignSetting {
  readonly path: string
  readonly property: string
  readonly value: string
  /** `set-property`: systemctl wrote it, and it goes when it contradicts us. `file`: a person did, and it stays. */
  readonly by: 'set-property' | 'file'
}

/** A slice as it is. */
export interface ObservedSlice {
  readonly slice: string
  /** The text of our drop-in. */
  readonly text?: string
  /** Whether anybody uses it: only then the kernel has a group with limits. */
  readonly busy: boolean
  /** What the kernel has. */
  readonly limits: Limits
  readonly foreign: readonly ForeignSetting[]
  /** The links of programs by which the kernel knows of its walls for ports; only of a slice in use whose drop-in has some. */
  readonly walls?: readonly PortRuleLink[]
}

export interface ObservedSlices {
  readonly slices: readonly ObservedSlice[]
  /** Links of walls that were to go, by slice, as far as they were noted. */
  readonly oldWalls?: ReadonlyMap<string, readonly number[]>
  /** Slices that an earlier run has changed and not finished; when set, systemd must read its units anew. */
  readonly unfinished?: readonly string[]
}

/** The drop-in of a slice. */
export function dropInPath(slice: string, { name = '50-puppy' }: SliceOptions = {}): string {
  return `/etc/systemd/system/${slice}.d/${name}.conf`
}

/** Where it is noted which slices are not finished, one in a line. */
export function notePath({ runFolder = '/run/puppy-cgroups' }: SliceOptions = {}): string {
  return `${runFolder}/unfinished`
}

/** Where it is noted which links of walls were to go, a slice in a line. */
export function oldWallsPath({ runFolder = '/run/puppy-cgroups' }: SliceOptions = {}): string {
  return `${runFolder}/old-walls`
}

/** Reads slices: our drop-ins, others', and the kernel's files. Runs nothing. @throws CgroupError `CGROUP_INVALID` */
export async function readSlices(
  host: Host,
  slices: readonly string[],
  options: SliceOptions = {},
): Promise<ObservedSlices> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const foreign = await readForeign(host, slices, options)
  const files = await forEach(slices, 32, async (slice) => {
    const text = await host.read(dropInPath(slice, options))
    const file = { slice, foreign: foreign.get(slice) ?? [] }
    return text === undefined ? file : { ...file, text }
  })
  const note = await host.read(notePath(options))
  return {
    slices: await readTree(host, cgroupfs, files),
    oldWalls: parseOldWalls((await host.read(oldWallsPath(options))) ?? ''),
    ...(note === undefined ? {} : { unfinished: note.split('\n').filter((line) => line !== '') }),
  }
}

/** Reads what the kernel has of slices whose files are known. */
export async function readTree(
  host: Host,
  cgroupfs: Cgroupfs,
  files: readonly Pick<ObservedSlice, 'slice' | 'text' | 'foreign'>[],
): Promise<readonly ObservedSlice[]> {
  const walled = ({ slice, text }: (typeof files)[number]) => hasPortRules(text) && cgroupfs.exists(slicePath(slice))
  const walls = files.some(walled) ? await readPortRuleLinks(host) : undefined
  return forEach(files, 32, async ({ slice, text, foreign }): Promise<ObservedSlice> => {
    const path = slicePath(slice)
    const busy = cgroupfs.exists(path)
    const id = busy && hasPortRules(text) ? cgroupfs.id(path) : undefined
    return {
      slice,
      busy,
      limits: busy ? readLimits(cgroupfs, path) : {},
      foreign,
      ...(text === undefined ? {} : { text }),
      ...(walls === undefined || id === undefined ? {} : { walls: walls.get(id) ?? [] }),
    }
  })
}

/** Where `set-property` writes, and where people do. Later ones win over ours when their files sort later. */
const controlFolders = ['/etc/systemd/system.control', '/run/systemd/system.control']
const unitFolders = ['/etc/systemd/system', '/run/systemd/system']

async function readForeign(
  host: Host,
  slices: readonly string[],
  options: SliceOptions,
): Promise<ReadonlyMap<string, readonly ForeignSetting[]>> {
  const wanted = new Map<string, string[]>()
  for (const slice of slices) {
    for (const name of sharedBy(slice)) wanted.set(`${name}.d`, [...(wanted.get(`${name}.d`) ?? []), slice])
  }
  const ours = `${options.name ?? '50-puppy'}.conf`
  const found = new Map<string, ForeignSetting[]>()
  for (const [folders, by] of [
    [controlFolders, 'set-property'],
    [unitFolders, 'file'],
  ] as const) {
    for (const folder of folders) {
      const names = (await host.list(folder)).filter((name) => wanted.has(name))
      await forEach(names, 32, async (name) => {
        for (const file of await host.list(`${folder}/${name}`)) {
          // A file that a person wrote and that sorts before ours says nothing that ours does not say again.
          if (!file.endsWith('.conf') || file === ours || (by === 'file' && file < ours)) continue
          const path = `${folder}/${name}/${file}`
          const settings = parseDropIn((await host.read(path)) ?? '').map((setting) => ({ path, by, ...setting }))
          for (const slice of wanted.get(name) ?? []) found.set(slice, [...(found.get(slice) ?? []), ...settings])
        }
      })
    }
  }
  return found
}

/** The names whose drop-ins a slice has: its own, and those of its beginnings, `user-.slice`. */
function sharedBy(slice: string): readonly string[] {
  const names = slice.slice(0, -'.slice'.length).split('-')
  return [slice, ...names.slice(1).map((_, index) => `${names.slice(0, index + 1).join('-')}-.slice`)]
}
