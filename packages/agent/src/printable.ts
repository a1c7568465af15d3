/** A name that a process chose itself, for a terminal and a message: what is not plain ASCII becomes `?`. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?')
}
