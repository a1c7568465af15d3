import { parseContext, type Context } from '../context.ts'

/** What SELinux denied, or would have. */
export interface Denial {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly acts: readonly string[]
  readonly class: string
  readonly source: Context
  readonly target: Context
  readonly pid?: number
  /** What the process calls itself: the tenant chooses it. */
  readonly command?: string
  /** The file or port, as far as the kernel says. */
  readonly object?: string
  /** Whether it was denied; false where SELinux only writes down. */
  readonly enforced: boolean
}

/** How a denial begins: as auditd(8) writes it, and in the kernel's own log where nobody takes it from there. */
const beginnings =
  /^(?:(?:node=\S+ )?type=(?:AVC|USER_AVC) msg=|\[ *\d+\.\d+\] audit: type=(?:1400|1107) )audit\((\d{1,12}\.\d{3}):\d+\):.*?avc: +denied +\{ ([^}]{1,400}) \} for (.*)$/

/**
 * Parses one line of the audit log, or of the kernel's; undefined for anything that is no denial, or not of a known shape.
 *
 *     type=AVC msg=audit(1795289967.943:4477): avc:  denied  { getattr } for  pid=635 comm="ls" path="/x" dev="vda" ino=9
 *       scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:nsfs_t:s0 tclass=file permissive=0
 */
export function parseDenial(line: string): Denial | undefined {
  const [, seconds, acts, rest = ''] = beginnings.exec(line) ?? []
  if (seconds === undefined || acts === undefined) return undefined
  const { first, last } = fieldsOf(rest)
  const word = (name: string) => first.get(name)
  // After all that a process can name itself or its files.
  const [source, target, name] = [last.get('scontext'), last.get('tcontext'), last.get('tclass')]
  if (source === undefined || target === undefined || name === undefined) return undefined
  const contexts = [source, target].map(contextIn)
  if (contexts[0] === undefined || contexts[1] === undefined) return undefined
  const pid = word('pid')
  const command = word('comm')
  const object = word('path') ?? word('name') ?? word('src') ?? word('dest')
  return {
    at: Math.round(Number(seconds) * 1000),
    acts: acts.split(' ').filter((act) => act !== ''),
    class: name,
    source: contexts[0],
    target: contexts[1],
    ...(pid !== undefined && /^\d{1,10}$/.test(pid) ? { pid: Number(pid) } : {}),
    ...(command === undefined ? {} : { command }),
    ...(object === undefined ? {} : { object }),
    enforced: last.get('permissive') !== '1',
  }
}

/** Each name's first and last value; a quoted one is one, whatever is in it. */
function fieldsOf(text: string) {
  const first = new Map<string, string>()
  const last = new Map<string, string>()
  for (const [, name = '', inQuotes, plain = ''] of text.matchAll(/(\w+)=(?:"([^"]*)"|([^\s"']+))/g)) {
    const value = inQuotes ?? decoded(plain)
    if (!first.has(name)) first.set(name, value)
    last.set(name, value)
  }
  return { first, last }
}

/** What is not quoted and only of hexadecimal digits is a text that quotes cannot hold; numbers are short and stay. */
function decoded(word: string): string {
  if (!/^(?:[0-9A-F]{2}){4,}$/.test(word) || /^\d+$/.test(word)) return word
  return Buffer.from(word, 'hex').toString('utf8')
}

function contextIn(text: string): Context | undefined {
  try {
    return parseContext(text)
  } catch {
    return undefined
  }
}
