const plain = /^[A-Za-z0-9_@%+=:,./-]+$/

/**
 * Renders a command as text. Pasting the text into a POSIX shell runs the same command. Pure.
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
  return `'${word.replaceAll("'", `'\\''`)}'`
}
