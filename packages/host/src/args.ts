import { isPrintable } from './printable.ts'

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/

/**
 * Renders a command as text. Pasting the text into a POSIX shell runs the same command. A word that is not printable has the form `$'…'`,
 * which bash reads. Pure.
 *
 * Only for messages and change sets: the library itself uses no shell. Each of `secrets` is shown as `•••`.
 */
export function renderCommand(command: readonly string[], secrets: readonly string[] = []): string {
  return command.map((word) => quote(hide(word, secrets))).join(' ')
}

/** Replaces every occurrence of each secret with `•••`. Empty secrets are ignored. Pure. */
export function hide(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret !== '').reduce((shown, secret) => shown.replaceAll(secret, '•••'), text)
}

function quote(word: string): string {
  if (plain.test(word)) return word
  if (!isPrintable(word)) return `$'${[...Buffer.from(word)].map(ansiC).join('')}'`
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** Renders a byte inside of `$'…'`. */
function ansiC(byte: number): string {
  const harmless = byte >= 0x20 && byte < 0x7f && byte !== 0x27 && byte !== 0x5c
  return harmless ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`
}
