import { mapLimit, type Host } from '@puppy/host'
import { openCgroupfs, type Cgroupfs } from '../cgroupfs/cgroupfs.ts'
import { readLimits } from '../cgroupfs/read-limits.ts'
import { readDevices, type Devices } from '../limits/device.ts'
import type { Limits } from '../limits/limits.ts'
import type { SystemdVersion } from '../probe.ts'
import { isSlice, slicePath } from '../unit.ts'
import { hasPortRules, parseDropIn } from './drop-in.ts'
import { dropInPath, notePath, oldLinksPath, type SlicesOptions } from './paths.ts'
import { parseOldLinks, readPortRuleLinks, type PortRuleLink } from './port-rules.ts'

/** A setting of a slice in a drop-in that is not ours. */
export interface ForeignSetting {
  readonly path: string
  readonly property: string
  readonly value: string
  /**
   * - `set-property`: `systemctl set-property` wrote the file. `apply` removes it when it contradicts our drop-in.
   * - `file`: an operator wrote the file. It stays.
   */
  readonly by: 'set-property' | 'file'
}

/** An observed slice. */
export interface ObservedSlice {
  readonly slice: string
  /** The text of our drop-in. */
  readonly text?: string
  /** Whether the slice is in use. Only then does the kernel have a group with limits. */
  readonly busy: boolean
  /** The limits in the kernel. */
  readonly limits: Limits
  readonly foreign: readonly ForeignSetting[]
  /**
   * The links of its port rules in the kernel. Absent when the slice is not in use, when its drop-in has no port rules, or when the links
   * cannot be read without root.
   */
  readonly links?: readonly PortRuleLink[]
}

/** What `plan` compares a spec with. */
export interface ObservedSlices {
  readonly systemd: SystemdVersion
  readonly slices: readonly ObservedSlice[]
  /** The recorded links of replaced port rules, by slice. systemd may have detached some of them since. */
  readonly oldLinks: ReadonlyMap<string, readonly number[]>
  /** Slices that an earlier run changed but did not finish. When present (it may be empty), systemd must reload its units. */
  readonly unfinished?: readonly string[]
  /** Disks and mounts. Absent when the spec names no devices. */
  readonly devices?: Devices
}

/** Reads our drop-ins, foreign drop-ins and the kernel's files of slices. Runs no program and changes nothing. Omits invalid names. */
export async function readSlices(
  host: Host,
  names: readonly string[],
  options: SlicesOptions & Pick<ObservedSlices, 'systemd'> & { readonly devices?: boolean },
): Promise<ObservedSlices> {
  const cgroupfs = options.cgroupfs ?? openCgroupfs(host, options.mount)
  const slices = [...new Set(names)].filter(isSlice)
  const foreign = await readForeign(host, slices, options)
  const files = await mapLimit(slices, 32, async (slice) => {
    const text = await host.read(dropInPath(slice, options))
    const file = { slice, foreign: foreign.get(slice) ?? [] }
    return text === undefined ? file : { ...file, text }
  })
  const note = await host.read(notePath(options))
  return {
    systemd: options.systemd,
    slices: await readTree(host, cgroupfs, files),
    oldLinks: parseOldLinks((await host.read(oldLinksPath(options))) ?? ''),
    ...(options.devices === true ? { devices: await readDevices(host) } : {}),
    ...(note === undefined ? {} : { unfinished: note.split('\n').filter((line) => line !== '') }),
  }
}

/** Reads the limits and port rules of slices from the kernel. The drop-ins are known already. */
export async function readTree(
  host: Host,
  cgroupfs: Cgroupfs,
  files: readonly Pick<ObservedSlice, 'slice' | 'text' | 'foreign'>[],
): Promise<readonly ObservedSlice[]> {
  const ruled = ({ slice, text }: (typeof files)[number]) => hasPortRules(text) && cgroupfs.exists(slicePath(slice))
  const links = files.some(ruled) ? await readPortRuleLinks(host) : undefined
  return mapLimit(files, 32, async ({ slice, text, foreign }): Promise<ObservedSlice> => {
    const path = slicePath(slice)
    const busy = cgroupfs.exists(path)
    const id = busy && hasPortRules(text) ? cgroupfs.id(path) : undefined
    return {
      slice,
      busy,
      limits: busy ? readLimits(cgroupfs, path) : {},
      foreign,
      ...(text === undefined ? {} : { text }),
      ...(links === undefined || id === undefined ? {} : { links: links.get(id) ?? [] }),
    }
  })
}

/** The folders where `set-property` writes and those where operators do. The file that sorts last by name wins. */
const controlFolders = ['/etc/systemd/system.control', '/run/systemd/system.control']
const unitFolders = ['/etc/systemd/system', '/run/systemd/system']

async function readForeign(
  host: Host,
  slices: readonly string[],
  options: SlicesOptions,
): Promise<ReadonlyMap<string, readonly ForeignSetting[]>> {
  const concerned = new Map<string, string[]>()
  for (const slice of slices) {
    for (const name of sharedBy(slice)) concerned.set(`${name}.d`, [...(concerned.get(`${name}.d`) ?? []), slice])
  }
  const ours = `${options.name ?? '50-puppy'}.conf`
  const found = new Map<string, ForeignSetting[]>()
  for (const [folders, by] of [
    [controlFolders, 'set-property'],
    [unitFolders, 'file'],
  ] as const) {
    for (const folder of folders) {
      const names = (await host.list(folder)).filter((name) => concerned.has(name))
      await mapLimit(names, 32, async (name) => {
        for (const file of await host.list(`${folder}/${name}`)) {
          // A file of an operator that sorts before our drop-in is overridden by it.
          if (!file.endsWith('.conf') || file === ours || (by === 'file' && file < ours)) continue
          const path = `${folder}/${name}/${file}`
          const settings = parseDropIn((await host.read(path)) ?? '').map((setting) => ({ path, by, ...setting }))
          for (const slice of concerned.get(name) ?? []) found.set(slice, [...(found.get(slice) ?? []), ...settings])
        }
      })
    }
  }
  return found
}

/** Returns the names whose drop-ins apply to a slice: its own name and its prefixes, such as `user-.slice`. */
function sharedBy(slice: string): readonly string[] {
  const names = slice.slice(0, -'.slice'.length).split('-')
  return [slice, ...names.slice(1).map((_, index) => `${names.slice(0, index + 1).join('-')}-.slice`)]
}
