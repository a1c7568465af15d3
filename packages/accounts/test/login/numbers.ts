import { ECDH } from 'node:crypto'
import t from 'tap'
import { damaged, ecdsa, rsa } from '../../src/login/numbers.ts'
import { askKeygen, line, skip } from '../support/keys.ts'

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const bytesOf = (value: bigint, size = 32) => Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex')

/** Returns the first point of P-256 whose x is at least this number. */
function pointFrom(from: bigint): Buffer {
  for (let x = from; ; x += 1n) {
    try {
      const packed = Buffer.concat([Buffer.of(2), bytesOf(x)])
      return Buffer.from(ECDH.convertKey(packed, 'prime256v1', undefined, 'hex', 'uncompressed'), 'hex')
    } catch {
      // About half of all numbers are not the x of a point.
    }
  }
}

const unusual = 'its point is outside of the range that OpenSSH accepts for nistp256; create a new key'
const offCurve = 'its point is not on the curve nistp256; paste the .pub file again'

const points: readonly (readonly [what: string, point: Buffer, verdict: number | string])[] = [
  ['x of 128 bits', pointFrom(2n ** 127n), unusual],
  ['x of 129 bits', pointFrom(2n ** 128n), 256],
  ['x of 1', pointFrom(5n), unusual],
  ['x of the order and above', pointFrom(order), unusual],
  ['x below the order', pointFrom(order - 1000n), 256],
  ['no point', Buffer.concat([Buffer.of(4), bytesOf(1n), bytesOf(1n)]), offCurve],
  ['the point at infinity', Buffer.of(0), damaged],
  ['coordinates beyond the prime', Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)]), offCurve],
  ['a point without its curve', Buffer.alloc(65, 4), offCurve],
]
for (const [what, point, verdict] of points) {
  void t.test(`ecdsa() checks ${what}`, (t) => {
    t.equal(ecdsa('nistp256', [Buffer.from('nistp256'), point]), verdict)
    t.end()
  })
}

void t.test('ecdsa() and ssh-keygen agree about all of these points', { skip }, (t) => {
  const lines = points.map(([, point]) => line('ecdsa-sha2-nistp256', 'nistp256', point))
  t.strictSame(
    askKeygen(lines),
    points.map(([, , verdict]) => (typeof verdict === 'number' ? verdict : undefined)),
  )
  t.end()
})

const three = Buffer.of(3)
/** Returns an odd number with this number of bits, encoded as in RFC 4251. */
const number = (bits: number, last = 1) => {
  const hex = (2n ** BigInt(bits - 1) + BigInt(last)).toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return bytes[0]! > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes
}
const pairs: readonly (readonly [what: string, exponent: Buffer, modulus: Buffer, verdict: number | RegExp])[] = [
  ['2,048 bits', three, number(2048), 2048],
  ['2,047 bits', three, number(2047), /2047 bits is too weak/],
  ['2,049 bits', three, number(2049), 2049],
  ['16,384 bits', three, number(16_384), 16_384],
  ['16,385 bits', three, number(16_385), /16385 bits is more/],
  ['65537', Buffer.of(1, 0, 1), number(2048), 2048],
  ['an even modulus', three, number(2048, 2), /not those of a valid key/],
  ['an even exponent', Buffer.of(4), number(2048), /not those of a valid key/],
  ['the exponent 1, with which every user can sign', Buffer.of(1), number(2048), /not those of a valid key/],
  ['no exponent', Buffer.alloc(0), number(2048), /not those of a valid key/],
  ['an exponent of 63 bits', number(63), number(2048), 2048],
  ['an exponent of 65 bits', number(65), number(2048), /not those of a valid key/],
  ['a negative exponent', Buffer.of(0x83), number(2048), /damaged/],
  ['an exponent with a zero too many', Buffer.of(0, 3), number(2048), /damaged/],
  ['a modulus with a zero too many', three, Buffer.concat([Buffer.of(0), number(2049)]), /damaged/],
]
for (const [what, exponent, modulus, verdict] of pairs) {
  void t.test(`rsa() checks ${what}`, (t) => {
    const result = rsa([exponent, modulus])
    if (typeof verdict === 'number') t.equal(result, verdict)
    else t.match(result, verdict)
    t.end()
  })
}
