import type { Host } from '@puppy/host'
import { parseContext, type Context } from './context.ts'
import { renderRange } from './level.ts'
import { bounded, runProgram, type EffectOptions } from './program.ts'

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

/** Denials of one kind, for one level. */
export interface DenialGroup {
  /** The level of who was denied: a tenant's. */
  readonly level: string
  readonly acts: readonly string[]
  readonly class: string
  readonly source: string
  readonly target: string
  readonly count: number
  readonly last: number
  /** One of them. */
  readonly example: Denial
}

const auditLog = '/var/log/audit/audit.log'

/**
 * Parses one line of the audit log; undefined for anything that is no denial, or not of a known shape.
 *
 *     type=AVC msg=audit(1795289967.943:4477): avc:  denied  { getattr } for  pid=635 comm="ls" path="/x" dev="vda" ino=9
 *       scontext=puppy_u:user_r:user_t:s0:c0,c1 tcontext=system_u:object_r:nsfs_t:s0 tclass=file permissive=0
 */
export function parseDenial(line: string): Denial | undefined {
  const [, seconds, acts, rest = ''] =
    /^(?:node=\S+ )?type=(?:AVC|USER_AVC) msg=audit\((\d{1,12}\.\d{3}):\d+\):.*?avc: +denied +\{ ([^}]{1,400}) \} for (.*)$/.exec(
      line,
    ) ?? []
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

/** Groups denials by who, what and on what, the most first. Pure. */
export function groupDenials(denials: readonly Denial[]): readonly DenialGroup[] {
  const keyOf = ({ source, target, class: name, acts }: Denial) =>
    JSON.stringify([source.range === undefined ? '' : renderRange(source.range), source.type, target.type, name, acts])
  return [...Map.groupBy(denials, keyOf).values()]
    .map((group): DenialGroup => {
      const example = group.reduce((latest, denial) => (denial.at >= latest.at ? denial : latest))
      return {
        level: example.source.range === undefined ? '' : renderRange(example.source.range),
        acts: example.acts,
        class: example.class,
        source: example.source.type,
        target: example.target.type,
        count: group.length,
        last: example.at,
        example,
      }
    })
    .toSorted((a, b) => b.count - a.count || b.last - a.last)
}

export interface DenialOptions extends EffectOptions {
  /** The SELinux user whose denials are wanted. Default `puppy_u`. */
  readonly user?: string
  /** The last so many bytes of the log. Default 8 MiB. */
  readonly bytes?: number
}

/**
 * Reads the tenants' denials from the end of the audit log, oldest first; none where there is no log.
 *
 * Those that a policy does not write down (`dontaudit`) are there only while `semodule -DB` has switched that off, which is a person's decision.
 *
 * @throws SelinuxError `SELINUX_REFUSED`, `SELINUX_TIMEOUT`.
 */
export async function readDenials(host: Host, options: DenialOptions = {}): Promise<readonly Denial[]> {
  const { user = 'puppy_u', bytes = 8 * 1024 * 1024 } = options
  if ((await host.status(auditLog)) === undefined) return []
  const { stdout } = await runProgram(host, ['tail', `--bytes=${bytes}`, '--', host.path(auditLog)], {
    operation: 'read the denials in',
    target: auditLog,
    touches: 'nothing',
    ...bounded(options),
  })
  return stdout.split('\n').flatMap((line) => {
    const denial = parseDenial(line)
    return denial?.source.user === user ? [denial] : []
  })
}
