import { createPublicKey } from 'node:crypto'

export const damaged = 'the base64 part is damaged; paste the .pub file again'

/** What OpenSSH requires of a point on one of its curves. @see SEC 2, and sshkey_ec_validate_public() of OpenSSH */
interface Curve {
  /** Its name in a JSON web key. */
  readonly crv: string
  readonly bits: number
  /** The number of points on the curve. */
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

/** Checks the name of a curve and an uncompressed point. Returns the bits of the key, or why the key is invalid. Pure. */
export function ecdsa(name: keyof typeof curves, [given, point]: readonly Buffer[]): number | string {
  const curve = curves[name]
  const size = Math.ceil(curve.bits / 8)
  const fits = given?.toString('latin1') === name && point?.length === 1 + 2 * size && point[0] === 4
  if (!fits) return damaged
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)]
  if (!isOnCurve(curve, x, y)) return `its point is not on the curve ${name}; paste the .pub file again`
  return [x, y].every((coordinate) => isUsual(curve, coordinate))
    ? curve.bits
    : `its point is outside of the range that OpenSSH accepts for ${name}; create a new key`
}

/** OpenSSL refuses points that are not on the curve, and coordinates that are not below its prime. */
function isOnCurve({ crv }: Curve, x: Buffer, y: Buffer): boolean {
  const key = { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') }
  try {
    createPublicKey({ key, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** No random key has a coordinate this small or large, and OpenSSH refuses it. */
function isUsual({ bits, order }: Curve, coordinate: Buffer): boolean {
  const value = BigInt(`0x${coordinate.toString('hex')}`)
  return value.toString(2).length > Math.floor(bits / 2) && value < order - 1n
}

const leastRsaBits = 2048
/** The largest number that OpenSSH reads. */
const mostRsaBits = 16_384
/** With a modulus above 3,072 bits, OpenSSL refuses a longer exponent. */
const mostExponentBytes = 8

/** Checks the exponent and the modulus of an RSA key. Returns its bits, or why the key is invalid. Pure. */
export function rsa([exponent, modulus]: readonly Buffer[]): number | string {
  const [exponentBits, bits] = [bitsOf(exponent), bitsOf(modulus)]
  if (exponent === undefined || modulus === undefined || exponentBits === undefined || bits === undefined)
    return damaged
  if (bits < leastRsaBits) return `RSA with ${bits} bits is too weak; use an ed25519 key`
  if (bits > mostRsaBits) return `RSA with ${bits} bits is more than ssh accepts; use an ed25519 key`
  const usable = exponentBits > 1 && exponent.length <= mostExponentBytes && isOdd(exponent) && isOdd(modulus)
  return usable ? bits : 'its RSA numbers are not those of a valid key; create a new key'
}

function isOdd(number: Buffer): boolean {
  return ((number.at(-1) ?? 0) & 1) === 1
}

/**
 * Returns the bits of a positive number. Undefined for a negative number, or one with more bytes than necessary. @see "mpint" in RFC 4251
 */
function bitsOf(number: Buffer | undefined): number | undefined {
  if (number === undefined) return undefined
  const [first, second = 0] = number
  if (first === undefined) return 0
  if (first > 0x7f || (first === 0 && second <= 0x7f)) return undefined
  return (number.length - 1) * 8 + (first === 0 ? 0 : 32 - Math.clz32(first))
}
