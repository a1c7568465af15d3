import { printable } from './printable.ts'

/**
 * Renders the message of an error: what was attempted, why it failed, and what to do. Pure.
 *
 * @param attempt the text after "Cannot": the operation, its object and its value
 * @param reasons undefined items are left out
 */
export function sentenceOf(attempt: string, reasons: readonly (string | undefined)[]): string {
  const known = reasons.filter((reason) => reason !== undefined)
  return `Cannot ${attempt}${known.length === 0 ? '' : `: ${known.join('; ')}`}`
}

/** Renders untrusted text for a message: quoted, with what is not printable escaped, cut after 200 characters. Pure. */
export function quoted(text: string, most = 200): string {
  return printable(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text))
}
