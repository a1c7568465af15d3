/**
 * Renders the sentence that the message of every error is: what was attempted, then what happened and what would help. Pure.
 *
 * @param attempt what follows "Cannot": the operation, on what, with what value
 * @param reasons those that are undefined are left out
 */
export function sentenceOf(attempt: string, reasons: readonly (string | undefined)[]): string {
  const known = reasons.filter((reason) => reason !== undefined)
  return `Cannot ${attempt}${known.length === 0 ? '' : `: ${known.join('; ')}`}`
}

/** Renders foreign text within a sentence: quoted, control characters escaped, and cut after 200 characters. Pure. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
