import { contextIn, type Context } from '../context.ts'

/** An act that SELinux denied, or would have denied. */
export interface Denial {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly acts: readonly string[]
  readonly class: string
  readonly source: Context
  readonly target: Context
  readonly pid?: number
  /** The name of the process, which the tenant can choose. */
  readonly command?: string
  /** The file or port, when the kernel names it. */
  readonly object?: string
  /** Whether the act was denied. False where SELinux only logs. */
  readonly enforced: boolean
}

/** The beginning of a denial: in the log of auditd(8), and in the kernel log on a machine without auditd. */
const beginning =
  /^(?:(?:node=\S+ )?type=(?:AVC|(USER_AVC)) msg=|\[ *\d+\.\d+\] audit: type=(?:1400|(1107)) )audit\((\d{1,12}\.\d{3}):\d+\):.*?avc: +denied +\{ ([a-z0-9_ ]{1,400}) \} for ([^]*)$/

/** The contexts. They come after every text that a process can choose, such as names of files, so the last match counts. */
const contexts =
  / scontext=(\S{1,12000}) tcontext=(\S{1,12000}) tclass=([a-z0-9_]{1,64})(?: permissive=([01]))?(?=\s|$)/g

/**
 * The maximum length of a message from a service that is parsed. A service (systemd, the bus) that asks for a decision logs the words of
 * its caller in 1,024 bytes. When these are full, the words of the service after them are cut off, and the last contexts may come from
 * the caller.
 */
const uncut = 900

/**
 * Parses one line of the audit log or of the kernel log. Returns undefined for a line that is not a denial, has another form, or may be
 * forged.
 *
 *     type=AVC msg=audit(1795289967.943:4477): avc:  denied  { getattr } for  pid=635 comm="ls" path="/x" dev="vda" ino=9
 *       scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:nsfs_t:s0 tclass=file permissive=0
 */
export function parseDenial(line: string): Denial | undefined {
  const [, user, kernelUser, seconds, acts, rest = ''] = beginning.exec(line) ?? []
  if (seconds === undefined || acts === undefined) return undefined
  const byService = user !== undefined || kernelUser !== undefined
  if (byService && wordsOfService(rest).length > uncut) return undefined
  const [, source = '', target = '', name = '', permissive] = [...rest.matchAll(contexts)].at(-1) ?? []
  const [from, to] = [contextIn(source), contextIn(target)]
  if (from === undefined || to === undefined) return undefined
  const fields = fieldsOf(rest)
  const pid = fields.get('pid')
  const command = fields.get('comm')
  const object = fields.get('path') ?? fields.get('name') ?? fields.get('src') ?? fields.get('dest')
  return {
    at: Math.round(Number(seconds) * 1000),
    acts: acts.split(' ').filter((act) => act !== ''),
    class: name,
    source: from,
    target: to,
    ...(pid !== undefined && /^\d{1,10}$/.test(pid) ? { pid: Number(pid) } : {}),
    ...(command === undefined ? {} : { command }),
    ...(object === undefined ? {} : { object }),
    enforced: permissive !== '1',
  }
}

/** Returns what the service logged. The kernel appends the program last, so an earlier ` exe=` is a word of the caller. */
function wordsOfService(text: string): string {
  const end = text.lastIndexOf(' exe=')
  return end < 0 ? text : text.slice(0, end)
}

/** Returns the first value of each name. A quoted value may contain any text. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const [, name = '', inQuotes, plain = ''] of text.matchAll(/(?<!\w)(\w+)=(?:"([^"]*)"|([^\s"']+))/g))
    if (!fields.has(name)) fields.set(name, inQuotes ?? (texts.has(name) ? decoded(plain) : plain))
  return fields
}

/** Fields with a text that a program chose. The kernel quotes it, or writes it in hexadecimal digits when it has a blank or a quote. */
const texts = new Set(['comm', 'path', 'name', 'exe'])

/** Decodes an unquoted text. Any other word (`(null)`) stays. */
function decoded(word: string): string {
  if (!/^(?:[0-9A-F]{2})+$/.test(word)) return word
  return Buffer.from(word, 'hex').toString('utf8')
}
