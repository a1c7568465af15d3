import { createHost, requireTool, type Command, type Host } from '@puppy/host'
import { HaproxyError } from './errors.ts'
import type { OwnProcesses } from './process.ts'
import { openRuntime, type Runtime } from './runtime/socket.ts'
import {
  assertLocation,
  assertSettings,
  proxyFiles,
  type ConfigSpec,
  type ProxyFiles,
  type ProxyLocation,
  type ProxySettings,
} from './settings.ts'

/** What every function that touches one HAProxy instance needs. */
export interface LocationContext {
  readonly host: Host
  readonly settings: ProxyLocation
  /** Paths below the host's root. */
  readonly files: ProxyFiles
  /** The same paths with the host's root in front, as HAProxy must see them: it does not know that root. */
  readonly real: { readonly settings: ProxyLocation; readonly files: ProxyFiles }
  readonly runtime: Runtime
  /** How the processes of this instance are found. */
  readonly own: OwnProcesses
}

/** A `LocationContext` with the spec of the configuration. */
export interface ProxyContext extends LocationContext {
  readonly settings: ProxySettings
  readonly real: { readonly settings: ProxySettings; readonly files: ProxyFiles }
}

/**
 * Checks a location and creates the context of every later call. Touches nothing.
 *
 * @param runtime the client of the runtime socket; default: a client of the socket in the run folder
 * @throws HaproxyError `HAPROXY_SETTINGS_INVALID`
 */
export function createContext(host: Host, location: ProxyLocation, runtime?: Runtime): LocationContext {
  assertLocation(location)
  const { folder, runFolder, service } = location
  const named = service === undefined ? {} : { service }
  const below = { folder: host.path(folder), runFolder: host.path(runFolder), ...named }
  assertLocation(below)
  const files = proxyFiles(below)
  return Object.freeze({
    host,
    settings: { folder, runFolder, ...named },
    files: proxyFiles(location),
    real: { settings: below, files },
    runtime: runtime ?? openRuntime(files.socket),
    own: { machine: host.root === '/' ? host : createHost(), config: files.config },
  })
}

/** Returns a context with the spec of a configuration. @throws HaproxyError `HAPROXY_SETTINGS_INVALID` */
export function withSpec(context: LocationContext, spec: ConfigSpec): ProxyContext {
  const settings = { ...spec, ...context.settings }
  assertSettings(settings)
  return { ...context, settings, real: { ...context.real, settings: { ...spec, ...context.real.settings } } }
}

/** Returns the path of the program `haproxy`. @throws HaproxyError `HAPROXY_NOT_INSTALLED` */
export function haproxyProgram(host: Host): string {
  return requireTool(host, 'haproxy', (facts) => new HaproxyError('HAPROXY_NOT_INSTALLED', facts))
}

/** Returns the command that creates the folder of the socket between workers. HAProxy enters that folder with its configured group. */
export function peersFolderCommand({ group }: Pick<ConfigSpec, 'group'>, { peersFolder }: ProxyFiles): Command {
  const owner = group === undefined ? ['-m', '0700'] : ['-m', '0710', '-g', group]
  return ['/usr/bin/install', '-d', ...owner, '--', peersFolder]
}

/** Creates the two folders. Does not change a folder that exists. @throws HostError `HOST_WRITE_FAILED` */
export async function makeFolders({ host, settings }: LocationContext): Promise<void> {
  for (const [path, mode] of [
    [settings.folder, 0o700],
    [settings.runFolder, 0o711],
  ] as const) {
    if ((await host.status(path))?.kind !== 'folder') await host.makeFolder(path, { mode })
  }
}
