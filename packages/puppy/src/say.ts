import { inspect } from 'node:util'
import { printableLines } from '@puppy/host/errors'

/* Every line that Puppy prints passes here: names of files, processes and SELinux contexts come from tenants. */

/** Prints lines to the standard output. Escapes what is not printable. */
export function say(text: string): void {
  process.stdout.write(`${printableLines(text)}\n`)
}

/** Prints a problem to the standard error. Escapes what is not printable. */
export function warn(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`)
}

/** Prints an unexpected error with its stack and its facts to the standard error. Escapes what is not printable. */
export function warnOf(error: unknown): void {
  warn(inspect(error))
}
