import type { EffectOptions } from '@puppy/host'
import type { LocationContext } from '../context.ts'
import { isHaproxyError } from '../errors.ts'
import { readMap, type RunningRow } from '../runtime/maps.ts'
import { parseMapFile, type MapName } from './map-file.ts'
import type { RouteRows } from './spec.ts'

/** The rows in the files and in the running worker. */
export interface ObservedRoutes {
  readonly disk: RouteRows
  /** Absent: no worker runs. */
  readonly running?: Readonly<Record<MapName, readonly RunningRow[]>>
}

/** Reads both maps from disk and, when a worker runs, from the worker. @throws HaproxyError as `Runtime.send` */
export async function readRoutes(context: LocationContext, options: EffectOptions = {}): Promise<ObservedRoutes> {
  const { hosts = '', suspended = '' } = await readMapTexts(context)
  const running = await readRunning(context, options)
  const disk = { hosts: parseMapFile(hosts), suspended: parseMapFile(suspended) }
  return { disk, ...(running === undefined ? {} : { running }) }
}

/** Reads the texts of both map files. A file that does not exist is left out. */
export async function readMapTexts({
  host,
  files,
}: Pick<LocationContext, 'host' | 'files'>): Promise<Readonly<Partial<Record<MapName, string>>>> {
  const [hosts, suspended] = await Promise.all([host.read(files.hosts), host.read(files.suspended)])
  return { ...(hosts === undefined ? {} : { hosts }), ...(suspended === undefined ? {} : { suspended }) }
}

async function readRunning({ runtime }: LocationContext, options: EffectOptions): Promise<ObservedRoutes['running']> {
  try {
    const hosts = await readMap(runtime, 'hosts.map', options)
    return { hosts, suspended: await readMap(runtime, 'suspended.map', options) }
  } catch (error) {
    if (isHaproxyError(error, 'HAPROXY_NOT_RUNNING')) return undefined
    throw error
  }
}
