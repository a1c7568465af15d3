/** A message of HAProxy about a configuration or a start. */
export interface Diagnostic {
  readonly level: 'alert' | 'warning'
  readonly message: string
  /** The line of the configuration that the message is about, from 1. Absent when HAProxy names none. */
  readonly line?: number
}

/**
 * Parses the standard error of `haproxy`.
 *
 * ```
 * [NOTICE]   (15032) : haproxy version is 2.6.12-1+deb12u4
 * [ALERT]    (17442) : config : parsing [/x/haproxy.cfg:27] : unknown keyword 'foo' in 'frontend' section
 * ```
 *
 * A line that begins without a level continues the line before it. Messages of other levels are left out. Never throws.
 */
export function parseDiagnostics(text: string): readonly Diagnostic[] {
  const found: { level: string; message: string }[] = []
  for (const line of text.split('\n')) {
    const start = /^\[([A-Z]+)\]\s+(?:\([0-9]+\)|[0-9/]+ \([0-9]+\)) : (.*)$/.exec(line)
    const last = found.at(-1)
    if (start !== null) found.push({ level: (start[1] ?? '').toLowerCase(), message: (start[2] ?? '').trim() })
    else if (last !== undefined && line.trim() !== '') last.message += ` ${line.trim()}`
  }
  return found.flatMap(({ level, message }) => {
    if (level !== 'alert' && level !== 'warning') return []
    const line = /\[[^[\]]{0,4200}:([0-9]{1,9})\]/.exec(message)?.[1]
    return [{ level, message, ...(line === undefined ? {} : { line: Number(line) }) }]
  })
}

/** Returns the messages of one level. */
export function messagesOf(diagnostics: readonly Diagnostic[], level: Diagnostic['level']): readonly string[] {
  return diagnostics.filter((one) => one.level === level).map((one) => one.message)
}

/** Returns the addresses that HAProxy could not bind because another process uses them. HAProxy 3.0 ends the message with a dot. */
export function busyAddresses(messages: readonly string[]): readonly string[] {
  return messages.flatMap((message) => /Address already in use\) for \[([^ ]+)\]\.?$/.exec(message)?.[1] ?? [])
}
