import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import type { Host } from '@puppy/host'
import { encodeCrtListRow } from '../encode.ts'
import { HaproxyError } from '../errors.ts'

/** A certificate that is served. */
export interface Certificate {
  /** Absolute, as HAProxy opens it. */
  readonly path: string
  /** SHA-256 of the file in hexadecimal. */
  readonly digest: string
}

/** A file that is left out, so that the others are served. */
export interface RefusedCertificate {
  readonly path: string
  readonly error: HaproxyError
}

/** What a folder of certificates holds. */
export interface Certificates {
  readonly served: readonly Certificate[]
  readonly refused: readonly RefusedCertificate[]
}

/**
 * Checks one PEM bundle without HAProxy: a certificate, its private key, the two belonging together.
 *
 * Returns why it cannot be served, or undefined. An encrypted key is refused: HAProxy would ask a terminal for the
 * passphrase. Nothing of the text appears in the reason.
 */
export function whyNoCertificate(pem: string): string | undefined {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) return 'there is no certificate in it'
  try {
    const certificate = new X509Certificate(pem)
    return certificate.checkPrivateKey(createPrivateKey(pem)) ? undefined : 'its key belongs to another certificate'
  } catch (error) {
    return `its certificate or key cannot be read (${reasonCode(error)})`
  }
}

function reasonCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'not PEM'
}

/**
 * Renders the crt-list: for each certificate a comment with its digest, then its path.
 *
 * The digest makes the text change when a file does, which is how a renewed certificate is noticed.
 */
export function renderCrtList(certificates: readonly Certificate[]): string {
  return certificates.map(({ path, digest }) => `# ${digest}\n${encodeCrtListRow(path)}\n`).join('')
}

/** Reads and checks every `*.pem` of a folder, in the order of names; when two have a name in common the first serves it. */
export async function readCertificates(host: Host, folder: string): Promise<Certificates> {
  const names = (await host.list(folder)).filter((name) => name.endsWith('.pem') && !name.startsWith('.'))
  const judged = await Promise.all(names.map((name) => readCertificate(host, `${folder}/${name}`)))
  return {
    served: judged.filter((one) => 'digest' in one),
    refused: judged.filter((one) => 'error' in one),
  }
}

async function readCertificate(host: Host, file: string): Promise<Certificate | RefusedCertificate> {
  const path = host.path(file)
  try {
    encodeCrtListRow(path)
    const pem = await host.read(file, { maxBytes: 1024 * 1024 })
    if (pem === undefined) return refuseCertificate(path, { detail: 'it is gone' })
    const detail = whyNoCertificate(pem)
    if (detail !== undefined) return refuseCertificate(path, { detail })
    return { path, digest: createHash('sha256').update(pem).digest('hex') }
  } catch (cause) {
    return refuseCertificate(path, { cause, detail: cause instanceof Error ? cause.message : String(cause) })
  }
}

/** Says that a certificate is left out, and why. */
export function refuseCertificate(
  path: string,
  why: { readonly detail?: string; readonly said?: readonly string[]; readonly cause?: unknown },
): RefusedCertificate {
  return { path, error: new HaproxyError('HAPROXY_CERTIFICATE_INVALID', { operation: 'serve', path, ...why }) }
}
