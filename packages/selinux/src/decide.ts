import { HostError, type Host } from '@puppy/host'
import { renderContext, type Context } from './context.ts'
import { SelinuxError } from './errors.ts'
import { selinuxfs } from './state.ts'

/** What the loaded policy decides about one act, whether SELinux enforces it or not. */
export interface Decision {
  readonly allowed: boolean
  /** Whether the source's domain is a permissive one, whose denials are only logged. */
  readonly permissive: boolean
}

/** One question: may `source` do `act` to an object of a class whose context is `target`. */
export interface Question {
  readonly source: Context
  readonly target: Context
  /** `file`, `process`, `tcp_socket`, … */
  readonly class: string
  /** `read`, `signal`, `name_bind`, … */
  readonly act: string
}

/**
 * Asks the kernel what its policy decides, constraints included. It needs root. Nothing is done and nothing is logged.
 *
 * @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID` when the policy does not know a context, class or act, `SELINUX_UNREADABLE`.
 */
export async function decide(host: Host, question: Question): Promise<Decision> {
  const shown = `${renderContext(question.source)} ${question.act} ${question.class} ${renderContext(question.target)}`
  const [index, bit] = await Promise.all([
    numberOf(host, `class/${question.class}/index`, shown),
    numberOf(host, `class/${question.class}/perms/${question.act}`, shown),
  ])
  const asked = `${renderContext(question.source)} ${renderContext(question.target)} ${index}`
  const answer = await transact(host, 'access', asked)
  const [, allowed, flags] = /^([0-9a-f]{1,8}) [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ \d+ ([0-9a-f]+)$/.exec(answer ?? '') ?? []
  if (answer === undefined) throw unknown(shown)
  if (allowed === undefined || flags === undefined) {
    throw new SelinuxError('SELINUX_UNREADABLE', {
      operation: 'ask the kernel',
      value: shown,
      said: answer.slice(0, 200),
    })
  }
  return {
    allowed: ((Number.parseInt(allowed, 16) >>> (bit - 1)) & 1) === 1,
    permissive: (Number.parseInt(flags, 16) & 1) === 1,
  }
}

/** Returns whether the loaded policy knows a context: its type, and its user at that level. @throws SelinuxError `SELINUX_DISABLED`. */
export async function isKnown(host: Host, context: Context): Promise<boolean> {
  return (await transact(host, 'context', renderContext(context))) !== undefined
}

async function numberOf(host: Host, file: string, shown: string): Promise<number> {
  if (!/^class\/[a-z0-9_]+\/(index|perms\/[a-z0-9_]+)$/.test(file)) throw unknown(shown)
  const text = await host.read(`${selinuxfs}/${file}`)
  if (text === undefined) throw unknown(shown)
  return Number(text)
}

function unknown(value: string): SelinuxError {
  const detail = 'its policy does not know a context, the class or the act'
  return new SelinuxError('SELINUX_INVALID', { operation: 'ask the kernel', value, detail })
}

/** @returns undefined when the policy does not know a word. */
async function transact(host: Host, file: string, question: string): Promise<string | undefined> {
  const [path, operation] = [`${selinuxfs}/${file}`, 'ask the kernel']
  let answer
  try {
    answer = await host.ask(path, `${question}\0`)
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    if (cause.facts.detail === 'EINVAL') return undefined
    const said = cause.facts.detail ?? ''
    throw new SelinuxError('SELINUX_REFUSED', { operation, target: path, value: question, said, cause })
  }
  if (answer === undefined) throw new SelinuxError('SELINUX_DISABLED', { operation, target: path })
  return answer.replace(/\0$/, '')
}
