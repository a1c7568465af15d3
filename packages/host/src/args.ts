const plain = /^[A-Za-z0-9_@%+=:,./-]+$/

/**
 * Renders a command for a person to read, quoted so that pasting it into a POSIX shell runs the same thing.
 *
 * For messages and change sets only: no shell ever sees it. Each of `secrets` is shown as `•••`.
 */
export function renderCommand(command: readonly string[], secrets: readonly string[] = []): string {
  return command.map((word) => quote(hide(word, secrets))).join(' ')
}

/** Replaces every occurrence of each secret by `•••`; an empty secret hides nothing. */
export function hide(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret !== '').reduce((shown, secret) => shown.replaceAll(secret, '•••'), text)
}

function quote(word: string): string {
  if (plain.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}
