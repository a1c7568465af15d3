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

/** Renders a command for a message: as `renderCommand`, but at most 4,000 characters. Pure. */
export function showCommand(command: readonly string[], secrets: readonly string[] = []): string {
  const text = renderCommand(command, secrets)
  if (text.length <= mostShown) return text
  return `${text.slice(0, mostShown).toWellFormed()}… (${text.length} characters)`
}

const mostShown = 4000

/** Replaces every occurrence of each secret with `•••`, and occurrences that overlap with one. Empty secrets are ignored. Pure. */
export function hide(text: string, secrets: readonly string[]): string {
  const spans = secrets
    .flatMap((secret) => findAll(text, secret).map((start) => ({ start, end: start + secret.length })))
    .toSorted((one, other) => one.start - other.start)
  const shown: string[] = []
  let shownTo = 0
  for (const { start, end } of spans) {
    if (start >= shownTo) shown.push(text.slice(shownTo, start), '•••')
    shownTo = Math.max(shownTo, end)
  }
  return [...shown, text.slice(shownTo)].join('')
}

/** Returns where a word occurs in a text. */
function findAll(text: string, word: string): readonly number[] {
  const found: number[] = []
  if (word === '') return found
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) found.push(at)
  return found
}

/**
 * Returns the last characters of an output, at most `most`, without the white space around them and with its secrets hidden. Searches only
 * these characters for secrets, so the time does not depend on the size of the output. Pure.
 */
export function hideEnd(output: string, secrets: readonly string[], most: number): string {
  const text = output.trim()
  let start = Math.max(0, text.length - most)
  // A secret that begins before these characters would be hidden in part only.
  for (let moved = start > 0; moved;) {
    moved = false
    for (const secret of secrets) {
      const at = text.slice(Math.max(0, start - secret.length + 1), start + secret.length - 1).indexOf(secret)
      if (secret === '' || at === -1) continue
      start = Math.max(0, start - secret.length + 1) + at + secret.length
      moved = true
    }
  }
  return hide(text.slice(start), secrets).slice(-most)
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
