import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createHost } from '@puppy/host'

/** The path of the real ssh-keygen, if it is installed. */
export const keygen = createHost().program('ssh-keygen')
export const skip = keygen === undefined && 'ssh-keygen is not installed'

/** One key of each type. ssh-keygen created them, except the security keys, which were encoded by hand. The private keys were deleted. */
export const realKeys: readonly string[] = readFileSync(new URL('../fixtures/keys.pub', import.meta.url), 'utf8')
  .trim()
  .split('\n')

/** Returns one field of a blob: its length in four bytes, then the bytes. */
export function field(bytes: Buffer | string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, Buffer.from(bytes)])
}

/** Returns a key line of a type and the fields after it. */
export function line(type: string, ...fields: readonly (Buffer | string)[]): string {
  return `${type} ${Buffer.concat([field(type), ...fields.map(field)]).toString('base64')}`
}

/**
 * Runs ssh-keygen once for all lines. Returns the bits of each key that it accepts and reads back byte for byte, and undefined for all
 * other lines.
 */
export function askKeygen(lines: readonly string[]): readonly (number | undefined)[] {
  const input = lines.map((text, index) => `${text} line${index}\n`).join('')
  const said = execFileSync(keygen!, ['-l', '-f', '-'], { input, encoding: 'utf8' }).split('\n')
  const answers = said.map((text) => /^(\d+) (SHA256:\S+) (line\d+) /.exec(text))
  const known = new Map(
    answers.filter((one) => one !== null).map(([, bits, print, name]) => [`${name} ${print}`, bits]),
  )
  return lines.map((text, index) => {
    const digest = createHash('sha256').update(bytesOf(text)).digest('base64')
    const bits = known.get(`line${index} SHA256:${digest.replace(/=+$/, '')}`)
    return bits === undefined ? undefined : Number(bits)
  })
}

/** Returns the blob of a line. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text.split(' ')[1] ?? '', 'base64')
}
