import type { Host } from '@puppy/host'
import { findMountOf, readMounts, type Mount } from '@puppy/host/proc'
import { CgroupError } from '../errors.ts'
import type { Limits } from './limits.ts'

/** A disk and its partitions, with the device numbers that `io.max` accepts. */
interface Disk {
  readonly number: string
  /** The name of the disk below /dev. The keys of `partitions` are names below /dev too. */
  readonly name: string
  readonly partitions: ReadonlyMap<string, string>
}

/** The disks and mounts of a machine. */
export interface Devices {
  readonly disks: readonly Disk[]
  readonly mounts: readonly Mount[]
}

/** Reads the disks and mounts of a machine from `/sys/block` and `/proc/self/mountinfo`. */
export async function readDevices(host: Host): Promise<Devices> {
  return {
    disks: await readDisks(host),
    mounts: await readMounts(host),
  }
}

/** Returns whether limits name devices, so that `resolveDevices` needs the result of `readDevices`. Accepts any value. Pure. */
export function namesDevices(limits: unknown): boolean {
  const devices: unknown = (limits as Limits | undefined)?.io?.max
  return Array.isArray(devices) && devices.length > 0
}

/**
 * Resolves the devices of `io.max` to the numbers of whole disks. A device may be a path. Pure.
 *
 * @throws CgroupError `CGROUP_INVALID` for a path that is not on a disk: on tmpfs or overlay, or on btrfs or ZFS, which use device numbers
 *   that belong to no disk.
 */
export function resolveDevices(limits: Limits, { disks, mounts }: Devices): Limits {
  const max = limits.io?.max
  if (max === undefined || max.length === 0) return limits
  const resolved = max.map((one) => ({ ...one, device: diskOf(one.device, disks, mounts) }))
  const twice = resolved.find(({ device }, index) => resolved.findIndex((other) => other.device === device) !== index)
  if (twice !== undefined) refuse(twice.device, 'two entries are for this disk; merge them')
  return { ...limits, io: { ...limits.io, max: resolved } }
}

/** Returns the disk of a path, as `8:0`. Returns undefined when the path is not on a disk that `io.max` can limit. */
export async function findDisk(host: Host, path: string): Promise<string | undefined> {
  try {
    return resolveDevices({ io: { max: [{ device: path }] } }, await readDevices(host)).io?.max?.[0]?.device
  } catch (error) {
    if (error instanceof CgroupError) return undefined
    throw error
  }
}

async function readDisks(host: Host): Promise<readonly Disk[]> {
  const names = await host.list('/sys/block')
  return Promise.all(
    names.map(async (name) => {
      const parts = (await host.list(`/sys/block/${name}`)).filter((part) => part.startsWith(name))
      const numbers = await Promise.all(
        parts.map(async (part) => [part, await numberIn(host, `/sys/block/${name}/${part}/dev`)] as const),
      )
      const partitions = new Map(
        numbers.flatMap(([part, number]): [string, string][] => (number === '' ? [] : [[part, number]])),
      )
      return { name, number: await numberIn(host, `/sys/block/${name}/dev`), partitions }
    }),
  )
}

async function numberIn(host: Host, path: string): Promise<string> {
  return ((await host.read(path)) ?? '').trim()
}

function diskOf(device: string, disks: readonly Disk[], mounts: readonly Mount[]): string {
  if (/^\d+:\d+$/.test(device)) return wholeDisk(device, device, disks)
  if (!device.startsWith('/')) refuse(device, 'a device must be a path, or two numbers such as 8:0')
  const name = /^\/dev\/([^/]+)$/.exec(device)?.[1]
  const disk = disks.find((one) => one.name === name || one.partitions.has(name ?? ''))
  if (disk !== undefined) return disk.number
  if (device.startsWith('/dev/'))
    refuse(device, 'no disk has this name; use a name in /dev, a path on the disk, or its numbers such as 8:0')
  const mount = findMountOf(mounts, device)
  return wholeDisk(mount?.device ?? '', device, disks)
}

function wholeDisk(number: string, device: string, disks: readonly Disk[]): string {
  const disk = disks.find((one) => one.number === number || [...one.partitions.values()].includes(number))
  const fault = number === '' ? 'the path is not on a mounted file system' : `no disk has the number ${number}`
  return disk?.number ?? refuse(device, `${fault}; tmpfs, overlay, btrfs and ZFS cannot be limited`)
}

function refuse(value: string, detail: string): never {
  throw new CgroupError('CGROUP_INVALID', { operation: 'limit the device', value, detail })
}
