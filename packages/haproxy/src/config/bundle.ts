import type { LocationContext } from '../context.ts'
import type { ProxySettings } from '../settings.ts'
import { renderCrtList, type Certificates } from './certificates.ts'
import { renderConfig } from './render.ts'

/** The files of a configuration. */
export interface Bundle {
  readonly config: string
  /** Absent without TLS. */
  readonly crtList?: string
}

/**
 * Renders both files. Pure.
 *
 * The description in the configuration depends only on the certificates that are served, so a newly refused certificate causes no reload.
 *
 * @param settings paths as HAProxy sees them
 */
export function renderBundle(settings: ProxySettings, certificates: Certificates, ipv6: boolean): Bundle {
  if (settings.tls === undefined) return { config: renderConfig(settings, { ipv6 }) }
  const served = renderCrtList({ served: certificates.served, refused: [] })
  return { config: renderConfig(settings, { ipv6, crtList: served }), crtList: renderCrtList(certificates) }
}

/** Reads the installed files. Returns undefined before the first installation. */
export async function readBundle({ host, files }: LocationContext): Promise<Bundle | undefined> {
  return bundleOf(await Promise.all([host.read(files.config), host.read(files.crtList)]))
}

/** Reads the last files that a worker ran with. Returns undefined when there are none. */
export async function readGood({ host, files }: LocationContext): Promise<Bundle | undefined> {
  return bundleOf(await Promise.all([host.read(files.goodConfig), host.read(files.goodCrtList)]))
}

function bundleOf([config, crtList]: readonly (string | undefined)[]): Bundle | undefined {
  if (config === undefined) return undefined
  return { config, ...(crtList === undefined ? {} : { crtList }) }
}

/** Returns whether two bundles have the same bytes. */
export function sameBundle(one: Bundle | undefined, other: Bundle | undefined): boolean {
  return one?.config === other?.config && one?.crtList === other?.crtList
}
