import { createPublicKey } from 'node:crypto'

export const damaged = 'the key inside is damaged'

/** What OpenSSH asks of a point on one of its curves. @see SEC 2, and sshkey_ec_validate_public() of OpenSSH */
interface Curve {
  /** Its name in a JSON web key. */
  readonly crv: string
  readonly bits: number
  /** How many points the curve has. */
  readonly order: bigint
}

const curves = {
  nistp256: { crv: 'P-256', bits: 256, order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  nistp384: {
    crv: 'P-384',
    bits: 384,
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  nistp521: {
    crv: 'P-521',
    bits: 521,
    order:
      0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
} as const satisfies Readonly<Record<string, Curve>>

/** Judges the name of a curve and a point, not compressed: gives the bits of the key, or why it can be none. Pure. */
export function ecdsa(name: keyof typeof curves, [given, point]: readonly Buffer[]): number | string {
  const curve = curves[name]
  const size = Math.ceil(curve.bits / 8)
  const fits = given?.toString('latin1') === name && point?.length === 1 + 2 * size && point[0] === 4
  if (!fits) return damaged
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)]
  if (!isOnCurve(curve, x, y)) return `its point is not on the curve ${name}`
  return [x, y].every((coordinate) => isUsual(curve, coordinate))
    ? curve.bits
    : `its point is not a usual one of ${name}`
}

/** OpenSSL refuses what is not a point of the curve, and coordinates that are not below its prime. */
function isOnCurve({ crv }: Curve, x: Buffer, y: Buffer): boolean {
  const key = { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') }
  try {
    createPublicKey({ key, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** No key that was made at random has a coordinate this small or large; OpenSSH refuses it. */
function isUsual({ bits, order }: Curve, coordinate: Buffer): boolean {
  const value = BigInt(`0x${coordinate.toString('hex')}`)
  return value.toString(2).length > Math.floor(bits / 2) && value < order - 1n
}

const leastRsaBits = 2048
/** The most that OpenSSH reads of a number. */
const mostRsaBits = 16_384
/** OpenSSL verifies by no longer exponent with a modulus above 3,072 bits. */
const mostExponentBytes = 8

/** Judges the exponent and the modulus of an RSA key: gives its bits, or why it can be none. Pure. */
export function rsa([exponent, modulus]: readonly Buffer[]): number | string {
  const [exponentBits, bits] = [bitsOf(exponent), bitsOf(modulus)]
  if (exponent === undefined || modulus === undefined || exponentBits === undefined || bits === undefined)
    return damaged
  if (bits < leastRsaBits) return `RSA with ${bits} bits is too weak; use ed25519`
  if (bits > mostRsaBits) return `RSA with ${bits} bits is more than ssh takes; use ed25519`
  const usable = exponentBits > 1 && exponent.length <= mostExponentBytes && isOdd(exponent) && isOdd(modulus)
  return usable ? bits : 'its RSA numbers are not those of a key'
}

function isOdd(number: Buffer): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1
}

/** The bits of a positive number; undefined for a negative one, or one with more bytes than it needs. @see "mpint" in RFC 4251 */
function bitsOf(number: Buffer | undefined): number | undefined {
  if (number === undefined) return undefined
  const [first, second = 0] = number
  if (first === undefined) return 0
  if (first > 0x7f || (first === 0 && second <= 0x7f)) return undefined
  return (number.length - 1) * 8 + (first === 0 ? 0 : 32 - Math.clz32(first))
}
