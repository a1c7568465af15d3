import type { Command, Host } from '@puppy/host'
import { HaproxyError } from './errors.ts'
import { openRuntime, type Runtime } from './runtime/socket.ts'
import { assertSettings, proxyFiles, type ProxyFiles, type ProxySettings } from './settings.ts'

/** What everything that touches the machine is given. */
export interface ProxyContext {
  readonly host: Host
  readonly settings: ProxySettings
  /** Paths as the host knows them. */
  readonly files: ProxyFiles
  /** The same below the host's root: HAProxy itself knows nothing of that root. */
  readonly real: { readonly settings: ProxySettings; readonly files: ProxyFiles }
  readonly runtime: Runtime
}

/** Checks the settings and puts together what the effects need. @throws HaproxyError `HAPROXY_SETTINGS_INVALID` */
export function createContext(host: Host, settings: ProxySettings): ProxyContext {
  assertSettings(settings)
  const below = belowRoot(host, settings)
  assertSettings(below)
  const files = proxyFiles(below)
  return Object.freeze({
    host,
    settings,
    files: proxyFiles(settings),
    real: { settings: below, files },
    runtime: openRuntime(files.socket),
  })
}

function belowRoot(host: Host, settings: ProxySettings): ProxySettings {
  const { tls } = settings
  return {
    ...settings,
    folder: host.path(settings.folder),
    runFolder: host.path(settings.runFolder),
    ...(tls === undefined ? {} : { tls: { ...tls, certificates: host.path(tls.certificates) } }),
  }
}

/** Finds the program. @throws HaproxyError `HAPROXY_NOT_INSTALLED` */
export function haproxyProgram(host: Host): string {
  const program = host.program('haproxy')
  if (program !== undefined) return program
  const detail = 'there is no program haproxy; install the package haproxy'
  throw new HaproxyError('HAPROXY_NOT_INSTALLED', { operation: 'find HAProxy', detail })
}

/** The command that makes the folder of the socket between workers. HAProxy passes it as the group that it becomes. */
export function peersFolderCommand({ group }: ProxySettings, { peersFolder }: ProxyFiles): Command {
  const owner = group === undefined ? ['-m', '0700'] : ['-m', '0710', '-g', group]
  return ['/usr/bin/install', '-d', ...owner, '--', peersFolder]
}

/** Makes the two folders; one that is there stays as it is. @throws HostError `HOST_WRITE_FAILED` */
export async function makeFolders({ host, settings }: ProxyContext): Promise<void> {
  for (const [path, mode] of [
    [settings.folder, 0o700],
    [settings.runFolder, 0o711],
  ] as const) {
    if ((await host.status(path))?.kind !== 'folder') await host.makeFolder(path, { mode })
  }
}
