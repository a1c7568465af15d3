import { createHash } from 'node:crypto'
import { AccountError } from '../errors.ts'

/** The types of ssh keys that are accepted. */
export type KeyType =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'ssh-rsa'
  | 'sk-ssh-ed25519@openssh.com'
  | 'sk-ecdsa-sha2-nistp256@openssh.com'

/** One public key. */
export interface AuthorizedKey {
  readonly type: KeyType
  /** The key itself, base64 as it stands in the line. */
  readonly blob: string
  /** Empty when the line has none. */
  readonly comment: string
  readonly bits: number
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly fingerprint: string
}

const maxBytes = 16 * 1024
const leastRsaBits = 2048

/** What follows the type inside a blob, and how many bits such a key has. */
const shapes: Readonly<Record<KeyType, (fields: readonly Buffer[]) => number | undefined>> = {
  'ssh-ed25519': ([key, ...rest]) => (key?.length === 32 && rest.length === 0 ? 256 : undefined),
  'ecdsa-sha2-nistp256': ecdsa('nistp256', 65, 256),
  'ecdsa-sha2-nistp384': ecdsa('nistp384', 97, 384),
  'ecdsa-sha2-nistp521': ecdsa('nistp521', 133, 521),
  'ssh-rsa': ([exponent, modulus, ...rest]) =>
    exponent === undefined || modulus === undefined || rest.length > 0 || exponent.length > 8
      ? undefined
      : bitsOf(modulus),
  'sk-ssh-ed25519@openssh.com': ([key, application, ...rest]) =>
    key?.length === 32 && application !== undefined && rest.length === 0 ? 256 : undefined,
  'sk-ecdsa-sha2-nistp256@openssh.com': ([curve, point, application, ...rest]) =>
    application === undefined || rest.length > 0
      ? undefined
      : ecdsa('nistp256', 65, 256)([curve, point].filter((field) => field !== undefined)),
}

/**
 * Parses one public key line: `ssh-ed25519 AAAAC3Nza… anna@laptop`. Pure.
 *
 * Options before the type, certificates, DSA, RSA below 2,048 bits, a blob of another type than the line names, control characters and
 * anything over 16 KiB are refused. Only ssh-keygen checks that the key is a valid one: see `validateKeys`.
 *
 * @throws AccountError `ACCOUNT_KEY_INVALID`.
 * @see "AUTHORIZED_KEYS FILE FORMAT" in sshd(8), RFC 4253 section 6.6
 */
export function parseKey(text: string): AuthorizedKey {
  if (Buffer.byteLength(text) > maxBytes) throw keyInvalid('it has more than 16 KiB')
  if (/[\p{Cc}\u2028\u2029]/u.test(text)) throw keyInvalid('it has a line break, a tab or another control character')
  const [, type = '', blob = '', comment = ''] = /^ *([^ ]+) +([^ ]+)(?: +(.*?))? *$/.exec(text) ?? []
  if (type === '') throw keyInvalid('it is not of the form "type base64 comment"')
  if (!isKeyType(type)) throw keyInvalid(wrongType(type))
  const bytes = decode(blob)
  const [inner, ...fields] = splitFields(bytes)
  if (inner?.toString('latin1') !== type) throw keyInvalid(`the key inside is not of the type ${type}`)
  const bits = shapes[type](fields)
  if (bits === undefined) throw keyInvalid(`the key inside is damaged`)
  if (type === 'ssh-rsa' && bits < leastRsaBits) throw keyInvalid(`RSA with ${bits} bits is too weak; use ed25519`)
  return { type, blob, comment, bits, fingerprint: fingerprintOf(bytes) }
}

/** Renders a key as one line, without a line break. Pure. */
export function renderKey({ type, blob, comment }: AuthorizedKey): string {
  return comment === '' ? `${type} ${blob}` : `${type} ${blob} ${comment}`
}

function isKeyType(type: string): type is KeyType {
  return Object.hasOwn(shapes, type)
}

function wrongType(type: string): string {
  if (type.startsWith('ssh-dss')) return 'DSA keys are no longer safe; use ed25519'
  if (type.includes('-cert-')) return 'certificates are not accepted, only plain keys'
  if (type.startsWith('-----BEGIN')) return 'this is not a public key line; paste the .pub file'
  return 'it must begin with a known key type; options are not accepted'
}

/** Makes the error of a key that cannot be used. */
export function keyInvalid(detail: string): AccountError {
  return new AccountError('ACCOUNT_KEY_INVALID', { operation: 'accept the ssh key', detail })
}

function decode(blob: string): Buffer {
  const bytes = Buffer.from(blob, 'base64')
  if (bytes.toString('base64') !== blob) throw keyInvalid('its second word is not base64')
  return bytes
}

/** A blob is a sequence of fields, each a length of four bytes in big-endian order, and that many bytes. */
function splitFields(bytes: Buffer): readonly Buffer[] {
  const fields: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Infinity
    if (at + 4 + length > bytes.length) throw keyInvalid('the key inside is cut off')
    fields.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return fields
}

function ecdsa(name: string, length: number, bits: number): (fields: readonly Buffer[]) => number | undefined {
  return ([curve, point, ...rest]) => {
    const fits = curve?.toString('latin1') === name && point?.length === length && point[0] === 4
    return fits && rest.length === 0 ? bits : undefined
  }
}

/** Returns the bits of a positive multiple precision integer, and undefined for a negative or empty one. */
function bitsOf(number: Buffer): number | undefined {
  if (number.length === 0 || number[0]! > 0x7f) return undefined
  const first = number.findIndex((byte) => byte !== 0)
  return first === -1 ? undefined : (number.length - first - 1) * 8 + (32 - Math.clz32(number[first]!))
}

function fingerprintOf(bytes: Buffer): string {
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').replace(/=+$/, '')}`
}
