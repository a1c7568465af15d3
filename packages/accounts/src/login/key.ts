import { createHash } from 'node:crypto'
import { AccountError } from '../errors.ts'
import { keyLimits, keysFault } from './keys-fault.ts'
import { damaged, ecdsa, rsa } from './numbers.ts'

/** The accepted types of ssh keys. */
export type KeyType =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'ssh-rsa'
  | 'sk-ssh-ed25519@openssh.com'
  | 'sk-ecdsa-sha2-nistp256@openssh.com'

/** A public ssh key. */
export interface AuthorizedKey {
  readonly type: KeyType
  /** The key itself, in base64 as in the line. */
  readonly blob: string
  /** Empty when the line has none. */
  readonly comment: string
  readonly bits: number
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly fingerprint: string
}

/** Checks the fields after the type inside a blob. Each function returns the number of bits of the key, or why the key is invalid. */
const shapes: Readonly<Record<KeyType, (fields: readonly Buffer[]) => number | string>> = {
  'ssh-ed25519': (fields) => (fields.length === 1 ? ed25519(fields[0]) : damaged),
  'ecdsa-sha2-nistp256': (fields) => (fields.length === 2 ? ecdsa('nistp256', fields) : damaged),
  'ecdsa-sha2-nistp384': (fields) => (fields.length === 2 ? ecdsa('nistp384', fields) : damaged),
  'ecdsa-sha2-nistp521': (fields) => (fields.length === 2 ? ecdsa('nistp521', fields) : damaged),
  'ssh-rsa': (fields) => (fields.length === 2 ? rsa(fields) : damaged),
  'sk-ssh-ed25519@openssh.com': (fields) =>
    fields.length === 2 && isApplication(fields[1]) ? ed25519(fields[0]) : damaged,
  'sk-ecdsa-sha2-nistp256@openssh.com': (fields) =>
    fields.length === 3 && isApplication(fields[2]) ? ecdsa('nistp256', fields) : damaged,
}

/**
 * Parses one public key line: `ssh-ed25519 AAAAC3Nza… anna@laptop`. Pure.
 *
 * Accepts only keys that `ssh-keygen -l` reads back byte for byte: an ECDSA point is on its curve, and RSA numbers are encoded as RFC 4251
 * requires. Refuses more than ssh-keygen does: options before the type, certificates, DSA, RSA below 2,048 bits or with an exponent below 3
 * or above 64 bits, even RSA numbers, control characters, text that is not Unicode, comments over 1 KiB, and lines over 16 KiB. Takes time
 * in proportion to the length.
 *
 * @throws AccountError `ACCOUNT_KEY_INVALID`.
 * @see "AUTHORIZED_KEYS FILE FORMAT" in sshd(8), RFC 4253 section 6.6, RFC 5656 section 3.1
 */
export function parseKey(text: string): AuthorizedKey {
  if (Buffer.byteLength(text) > keyLimits.line) throw keyInvalid('it is longer than 16 KiB; paste a single key')
  if (/[\p{Cc}\u2028\u2029]/u.test(text))
    throw keyInvalid('it contains a line break or another control character; enter each key separately')
  if (!text.isWellFormed()) throw keyInvalid('it contains half of a surrogate pair, which is not valid Unicode')
  const [start, type = '', blob = ''] = /^ *([^ ]+) +([^ ]+) */.exec(text) ?? ['']
  const comment = withoutBlanksAfter(text.slice(start.length))
  if (type === '') throw keyInvalid('it must have the form "type base64 comment"; paste the line of the .pub file')
  if (!isKeyType(type)) throw keyInvalid(wrongType(type))
  if (Buffer.byteLength(comment) > keyLimits.comment) throw keyInvalid('its comment is longer than 1 KiB; shorten it')
  const bytes = decode(blob)
  const [inner, ...fields] = splitFields(bytes)
  if (inner?.toString('latin1') !== type)
    throw keyInvalid(`the base64 part is not a key of type ${type}; paste the .pub file again`)
  const bits = shapes[type](fields)
  if (typeof bits === 'string') throw keyInvalid(bits)
  return { type, blob, comment, bits, fingerprint: fingerprintOf(bytes) }
}

/**
 * Parses the keys of one account. Pure.
 *
 * @throws AccountError `ACCOUNT_KEY_INVALID` for the first invalid key, and when `keysFault` finds a fault.
 */
export function parseKeys(keys: readonly string[]): readonly AuthorizedKey[] {
  const fault = keysFault(keys)
  if (fault !== undefined) throw keyInvalid(`the keys ${fault}; remove some of them`)
  return keys.map((key) => parseKey(key))
}

/** Renders a key as one line, without a line break. Pure. */
export function renderKey({ type, blob, comment }: AuthorizedKey): string {
  return comment === '' ? `${type} ${blob}` : `${type} ${blob} ${comment}`
}

/** Only blanks are removed. An expression such as ` +$` takes time in proportion to the square of the blanks. */
function withoutBlanksAfter(text: string): string {
  let end = text.length
  while (text[end - 1] === ' ') end -= 1
  return text.slice(0, end)
}

function isKeyType(type: string): type is KeyType {
  return Object.hasOwn(shapes, type)
}

function wrongType(type: string): string {
  if (type.startsWith('ssh-dss')) return 'DSA keys are no longer safe; use an ed25519 key'
  if (type.includes('-cert-')) return 'certificates are not accepted; use a plain public key'
  if (type.startsWith('-----BEGIN')) return 'it is a private key or another PEM file; paste the .pub file instead'
  return 'it must begin with an accepted key type such as ssh-ed25519, without options before it'
}

/** Creates the error for a key that cannot be used. Pure. */
export function keyInvalid(detail: string): AccountError {
  return new AccountError('ACCOUNT_KEY_INVALID', { operation: 'accept the ssh key', detail })
}

function decode(blob: string): Buffer {
  const bytes = Buffer.from(blob, 'base64')
  if (bytes.toString('base64') !== blob)
    throw keyInvalid('its second word is not valid base64; paste the .pub file again')
  return bytes
}

/** A blob is a sequence of fields: a length of four bytes in big-endian order, then that number of bytes. */
function splitFields(bytes: Buffer): readonly Buffer[] {
  const fields: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : Infinity
    if (at + 4 + length > bytes.length) throw keyInvalid('the base64 part is cut off; paste the .pub file again')
    fields.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return fields
}

function ed25519(key: Buffer | undefined): number | string {
  return key?.length === 32 ? 256 : damaged
}

/** The application string of a security key, usually `ssh:`. OpenSSH reads it as a C string. */
function isApplication(application: Buffer | undefined): boolean {
  return application !== undefined && !application.includes(0)
}

function fingerprintOf(bytes: Buffer): string {
  // The digest has 32 bytes, so its base64 has 43 characters and one `=`.
  return `SHA256:${createHash('sha256').update(bytes).digest('base64').slice(0, 43)}`
}
