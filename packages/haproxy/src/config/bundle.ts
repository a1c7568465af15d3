import type { ProxyContext } from '../context.ts'
import { hasIpv6 } from '../process.ts'
import { readCertificates, renderCrtList, type RefusedCertificate } from './certificates.ts'
import { renderConfig } from './render.ts'

/** The files that make a configuration. */
export interface Bundle {
  readonly config: string
  /** Absent without TLS. */
  readonly crtList?: string
}

/** A bundle as it should be, and what was left out of it. */
export interface WantedBundle extends Bundle {
  readonly refused: readonly RefusedCertificate[]
}

/** Renders what should be installed, without the certificates that cannot be served and without these. */
export async function renderBundle(
  { host, settings, real }: ProxyContext,
  without: readonly RefusedCertificate[] = [],
): Promise<WantedBundle> {
  const ipv6 = hasIpv6()
  if (settings.tls === undefined) return { config: renderConfig(real.settings, { ipv6 }), refused: [] }
  const { served, refused } = await readCertificates(host, settings.tls.certificates)
  const left = new Set(without.map(({ path }) => path))
  const crtList = renderCrtList(served.filter(({ path }) => !left.has(path)))
  return { config: renderConfig(real.settings, { ipv6, crtList }), crtList, refused: [...refused, ...without] }
}

/** Reads what is installed; undefined before the first time. */
export async function readBundle({ host, files }: ProxyContext): Promise<Bundle | undefined> {
  const [config, crtList] = await Promise.all([host.read(files.config), host.read(files.crtList)])
  if (config === undefined) return undefined
  return { config, ...(crtList === undefined ? {} : { crtList }) }
}

/** Whether two bundles are the same bytes. */
export function sameBundle(one: Bundle | undefined, other: Bundle | undefined): boolean {
  return one?.config === other?.config && one?.crtList === other?.crtList
}
