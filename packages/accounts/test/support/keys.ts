import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createHost } from '@puppy/host'

/** The real program, when it is installed. */
export const keygen = createHost().program('ssh-keygen')
export const skip = keygen === undefined && 'ssh-keygen is not installed'

/** One key of each kind, made by ssh-keygen, the security keys by their format; the private halves were thrown away. */
export const realKeys: readonly string[] = readFileSync(new URL('../fixtures/keys.pub', import.meta.url), 'utf8')
  .trim()
  .split('\n')

/** One field of a blob: its length in four bytes, then itself. */
export function field(bytes: Buffer | string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, Buffer.from(bytes)])
}

/** A line of a type and the fields after it. */
export function line(type: string, ...fields: readonly (Buffer | string)[]): string {
  return `${type} ${Buffer.concat([field(type), ...fields.map(field)]).toString('base64')}`
}

/**
 * What ssh-keygen says of each line, all in one run: the bits of the key when it takes it and has read the very bytes that
 * the line holds, otherwise undefined.
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

/** The blob of a line. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text.split(' ')[1] ?? '', 'base64')
}
