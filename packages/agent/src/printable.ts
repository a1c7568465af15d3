/** Returns a name that a process chose itself, safe for a terminal and a message: replaces what is not printable ASCII by `?`. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?')
}
