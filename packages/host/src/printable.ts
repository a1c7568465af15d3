/** Control and format characters, halves of surrogate pairs, unassigned characters, and the separators of lines and paragraphs. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Makes text safe for a terminal, a log and a message: escapes what is not printable as in JSON: `\u001b`. Pure.
 *
 * Users choose the names of files, processes and groups freely. A raw escape sequence changes what a terminal shows or does, a line feed
 * forges a line, and U+202E reverses the text after it.
 */
export function printable(text: string): string {
  return text.replaceAll(unprintable, escaped)
}

/** Does the same as `printable`, and keeps line feeds and tabs. For text of several lines, such as the output of a program. Pure. */
export function printableLines(text: string): string {
  return text.replaceAll(unprintable, (character) => (/[\n\t]/.test(character) ? character : escaped(character)))
}

/** Returns whether `printable` would change a text. Pure. */
export function isPrintable(text: string): boolean {
  return text.search(unprintable) < 0
}

/** JSON has an escape for each half of a surrogate pair. */
function escaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
