import type { LocationContext } from '../context.ts'
import type { ProxySettings } from '../settings.ts'
import { renderCrtList, type Certificates } from './certificates.ts'
import { renderConfig } from './render.ts'
import { requestBodyScript } from './script.ts'

/** The files of a configuration. */
export interface Bundle {
  readonly config: string
  /** Absent without TLS. */
  readonly crtList?: string
  /** The Lua script that judges the bodies of requests. Absent in files of a Puppy that had none. */
  readonly script?: string
}

/**
 * Renders the files. Pure.
 *
 * The description in the configuration depends only on the certificates that are served, so a newly refused certificate causes no reload.
 *
 * @param settings paths as HAProxy sees them
 */
export function renderBundle(settings: ProxySettings, certificates: Certificates, ipv6: boolean): Bundle {
  const script = requestBodyScript
  if (settings.tls === undefined) return { config: renderConfig(settings, { ipv6 }), script }
  const served = renderCrtList({ served: certificates.served, refused: [] })
  const config = renderConfig(settings, { ipv6, crtList: served })
  return { config, crtList: renderCrtList(certificates), script }
}

/** Reads the installed files. Returns undefined before the first installation. */
export async function readBundle({ host, files }: LocationContext): Promise<Bundle | undefined> {
  return bundleOf(await Promise.all([host.read(files.config), host.read(files.crtList), host.read(files.script)]))
}

/** Reads the last files that a worker ran with. Returns undefined when there are none. */
export async function readGood({ host, files }: LocationContext): Promise<Bundle | undefined> {
  return bundleOf(
    await Promise.all([host.read(files.goodConfig), host.read(files.goodCrtList), host.read(files.goodScript)]),
  )
}

function bundleOf([config, crtList, script]: readonly (string | undefined)[]): Bundle | undefined {
  if (config === undefined) return undefined
  return { config, ...(crtList === undefined ? {} : { crtList }), ...(script === undefined ? {} : { script }) }
}

/** Returns whether two bundles have the same bytes. */
export function sameBundle(one: Bundle | undefined, other: Bundle | undefined): boolean {
  return one?.config === other?.config && one?.crtList === other?.crtList && one?.script === other?.script
}
