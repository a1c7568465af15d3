import { HaproxyError } from '../errors.ts'

/** What HAProxy answered to one command. */
export interface Reply {
  /** syslog's number, 3 or less for an error. Absent where there is none: data, or silence for success. */
  readonly severity?: number
  /** Without severity and without the blank line behind it; empty for silence. */
  readonly text: string
}

/**
 * Parses the replies to `set severity-output number;<command>;<command>…`.
 *
 * ```
 * ⏎                          the reply to `set severity-output`
 * ⏎                          silence: it succeeded
 * [3]: Key not found.⏎       an error, and
 * ⏎                          the blank line behind it
 * ```
 *
 * With one command everything behind the first line end is its reply; with several, each is silence or a message.
 *
 * @throws HaproxyError `HAPROXY_REPLY_INCOMPLETE` when the text is empty, does not end with a line end, or holds fewer
 *   replies than there were commands; `HAPROXY_REPLY_UNKNOWN` when it holds more.
 * @see HAProxy management guide, 9.3 "Unix Socket commands"
 */
export function parseReplies(text: string, commands: number, operation: string): readonly Reply[] {
  if (!text.startsWith('\n')) throw incomplete(operation, text === '' ? 'the reply is empty' : 'the reply has no start')
  const body = text.slice(1)
  if (body === '') throw incomplete(operation, 'the reply is empty')
  if (!body.endsWith('\n')) throw incomplete(operation, 'the reply is cut')
  if (commands === 1) return [parseReply(body)]
  return parseSeveral(body, commands, operation)
}

function parseReply(body: string): Reply {
  const text = body.endsWith('\n\n') ? body.slice(0, -2) : body.slice(0, -1)
  const marked = /^\[([0-7])\]: ([^]*)$/.exec(text)
  if (marked === null) return { text }
  return { severity: Number(marked[1]), text: (marked[2] ?? '').trim() }
}

function parseSeveral(body: string, commands: number, operation: string): readonly Reply[] {
  const replies: Reply[] = []
  let rest = body
  while (rest !== '') {
    const end = rest.startsWith('\n') ? 1 : rest.indexOf('\n\n') + 2
    if (end === 1 && !rest.startsWith('\n')) throw incomplete(operation, 'a reply has no end')
    replies.push(parseReply(rest.slice(0, end)))
    rest = rest.slice(end)
  }
  if (replies.length < commands) throw incomplete(operation, `${replies.length} replies to ${commands} commands`)
  if (replies.length === commands) return replies
  const detail = `${replies.length} replies to ${commands} commands`
  throw new HaproxyError('HAPROXY_REPLY_UNKNOWN', { operation, detail })
}

function incomplete(operation: string, detail: string): HaproxyError {
  return new HaproxyError('HAPROXY_REPLY_INCOMPLETE', { operation, detail })
}
