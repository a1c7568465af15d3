import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import type { Host } from '@puppy/host'
import { encodeCrtListRow } from '../encode.ts'
import { HaproxyError } from '../errors.ts'

/** A certificate that is served. */
export interface Certificate {
  /** The absolute path, as HAProxy opens it. */
  readonly path: string
  /** SHA-256 of the file in hexadecimal. */
  readonly digest: string
}

/** A certificate file that is left out, so that the other certificates are served. */
export interface RefusedCertificate {
  /** The path, as HAProxy would open it. */
  readonly target: string
  readonly error: HaproxyError
  /** SHA-256 of a file that only HAProxy refuses. The file is tried again when it changes. */
  readonly digest?: string
}

/** The certificates of a spec. */
export interface Certificates {
  readonly served: readonly Certificate[]
  readonly refused: readonly RefusedCertificate[]
}

/**
 * Returns why a PEM bundle cannot be served, or undefined when it can. Runs without HAProxy. Pure.
 *
 * A bundle must contain a certificate and its private key. An encrypted key is refused, because HAProxy would ask for the passphrase on a
 * terminal. The reason never quotes the text.
 */
export function findCertificateFault(pem: string): string | undefined {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) return 'it contains no certificate'
  try {
    const certificate = new X509Certificate(pem)
    return certificate.checkPrivateKey(createPrivateKey(pem))
      ? undefined
      : 'its private key does not belong to its certificate'
  } catch (error) {
    return `its certificate or its private key cannot be read (${reasonCode(error)})`
  }
}

function reasonCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'not PEM'
}

/**
 * Renders the crt-list: for each certificate a comment with its digest, then its path. Comments at the end name the files that only
 * HAProxy refuses.
 *
 * Because of the digest the text changes when a certificate file changes. This is how a renewed certificate is noticed.
 *
 * ```
 * # 9f86d081…
 * /etc/certs/blog.pem
 * # refused 60303ae2… /etc/certs/odd.pem
 * ```
 */
export function renderCrtList({ served, refused }: Certificates): string {
  const known = refused.flatMap(({ target, digest }) => (digest === undefined ? [] : [{ path: target, digest }]))
  return [
    ...served.map(({ path, digest }) => `# ${digest}\n${encodeCrtListRow(path)}\n`),
    ...known.map(({ path, digest }) => `# refused ${digest} ${encodeCrtListRow(path)}\n`),
  ].join('')
}

/** The digests in a crt-list, by path. */
export interface CrtList {
  readonly served: ReadonlyMap<string, string>
  readonly refused: ReadonlyMap<string, string>
}

/** Parses a crt-list that `renderCrtList` wrote. Skips any other line. Never throws. */
export function parseCrtList(text: string): CrtList {
  const served = [...text.matchAll(/(?<![^\n])# ([0-9a-f]{64})\n(\/[^\n]*)/g)]
  const refused = [...text.matchAll(/(?<![^\n])# refused ([0-9a-f]{64}) (\/[^\n]*)/g)]
  const byPath = (rows: readonly RegExpExecArray[]) => new Map(rows.map(([, digest = '', path = '']) => [path, digest]))
  return { served: byPath(served), refused: byPath(refused) }
}

/**
 * Reads and checks the certificates of these files and folders, ordered by name within a folder. When two certificates contain the same
 * host name, HAProxy serves the first one.
 *
 * @param known the installed crt-list; a file that HAProxy refused and that has not changed is refused again
 */
export async function readCertificates(
  host: Host,
  entries: readonly string[],
  known: CrtList = parseCrtList(''),
): Promise<Certificates> {
  const files = await Promise.all(entries.map((entry) => listCertificates(host, entry)))
  const found = await Promise.all([...new Set(files.flat())].map((file) => readCertificate(host, file, known)))
  return {
    served: found.filter((one) => 'path' in one),
    refused: found.filter((one) => 'error' in one),
  }
}

async function listCertificates(host: Host, entry: string): Promise<readonly string[]> {
  if (entry.endsWith('.pem')) return [entry]
  const names = (await host.list(entry)).filter((name) => name.endsWith('.pem') && !name.startsWith('.'))
  return names.map((name) => `${entry}/${name}`)
}

async function readCertificate(host: Host, file: string, known: CrtList): Promise<Certificate | RefusedCertificate> {
  const path = host.path(file)
  try {
    encodeCrtListRow(path)
    const pem = await host.read(file, { maxBytes: 1024 * 1024 })
    if (pem === undefined) return refuseCertificate(path, { detail: 'it does not exist' })
    const detail = findCertificateFault(pem)
    if (detail !== undefined) return refuseCertificate(path, { detail })
    const digest = createHash('sha256').update(pem).digest('hex')
    if (known.refused.get(path) !== digest) return { path, digest }
    return { ...refuseCertificate(path, { detail: 'HAProxy refused this file before; replace it' }), digest }
  } catch (cause) {
    return refuseCertificate(path, { cause, detail: cause instanceof Error ? cause.message : String(cause) })
  }
}

/** Returns a refused certificate with the reason. */
export function refuseCertificate(
  path: string,
  why: { readonly detail?: string; readonly said?: string; readonly cause?: unknown },
): RefusedCertificate {
  const facts = { operation: 'serve the certificate', target: path, ...why }
  return { target: path, error: new HaproxyError('HAPROXY_CERTIFICATE_INVALID', facts) }
}
