import { HaproxyError } from '../errors.ts'

/** HAProxy's reply to one command. */
export interface Reply {
  /** The severity as in syslog(3): 3 or less is an error. Absent for data, and for the empty reply that means success. */
  readonly severity?: number
  /** The text without the severity and without the blank line at its end. Empty for an empty reply. */
  readonly text: string
}

/** How HAProxy marks its help text as the answer to a command that it does not know: as information. */
const unknownCommand = /^Unknown command\b/
/** The severity of an error. */
const error = 3

/**
 * Parses the replies to `set severity-output number;<command>;<command>…`.
 *
 * ```
 * ⏎                          the reply to `set severity-output`
 * ⏎                          an empty reply: the command succeeded
 * [3]: Key not found.⏎       an error, and
 * ⏎                          the blank line at its end
 * ```
 *
 * With one command, everything after the first line end is its reply. With several commands, each reply is empty or a message. The help
 * text, which HAProxy prints for a command that it does not know, counts as an error.
 *
 * @throws HaproxyError `HAPROXY_REPLY_INCOMPLETE` when the text is empty, does not end with a blank line, or has fewer
 *   replies than there were commands; `HAPROXY_REPLY_UNKNOWN` when it has more.
 * @see HAProxy management guide, 9.3 "Unix Socket commands"
 */
export function parseReplies(text: string, commands: number, operation: string): readonly Reply[] {
  if (!text.startsWith('\n'))
    throw incomplete(operation, text === '' ? 'the reply is empty' : 'the beginning of the reply is missing')
  const body = text.slice(1)
  if (body === '') throw incomplete(operation, 'the reply is empty')
  if (body !== '\n' && !body.endsWith('\n\n')) throw incomplete(operation, 'the end of the reply is missing')
  if (commands === 1) return [parseReply(body)]
  return parseSeveral(body, commands, operation)
}

function parseReply(body: string): Reply {
  const text = body === '\n' ? '' : body.slice(0, -2)
  const marked = /^\[([0-7])\]: ([^]*)$/.exec(text)
  if (marked === null) return { text }
  const [, severity, message = ''] = marked
  return { severity: unknownCommand.test(message) ? error : Number(severity), text: message.trim() }
}

function parseSeveral(body: string, commands: number, operation: string): readonly Reply[] {
  const replies: Reply[] = []
  let rest = body
  while (rest !== '') {
    const end = rest.startsWith('\n') ? 1 : rest.indexOf('\n\n') + 2
    if (end === 1 && !rest.startsWith('\n')) throw incomplete(operation, 'the end of a reply is missing')
    replies.push(parseReply(rest.slice(0, end)))
    rest = rest.slice(end)
  }
  if (replies.length === commands) return replies
  const detail = `${commands} commands have ${replies.length} replies`
  if (replies.length < commands) throw incomplete(operation, detail)
  throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation, detail })
}

function incomplete(operation: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_REPLY_INCOMPLETE', { operation, detail })
}
