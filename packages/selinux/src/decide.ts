import { HostError, type Host } from '@puppy/host'
import { renderContext, type Context } from './context.ts'
import { SelinuxError } from './errors.ts'
import { selinuxfs } from './state.ts'

/** The decision of the loaded policy about one act. It does not depend on whether SELinux is enforcing. */
export interface Decision {
  readonly allowed: boolean
  /** Whether the domain of the source is permissive. Its denials are only logged. */
  readonly permissive: boolean
}

/** A question: may `source` perform `act` on an object of `class` with the context `target`? */
export interface Question {
  readonly source: Context
  readonly target: Context
  /** `file`, `process`, `tcp_socket`, … */
  readonly class: string
  /** `read`, `signal`, `name_bind`, … */
  readonly act: string
}

/**
 * Asks the kernel for the decision of its policy, including constraints. Needs root. Performs nothing and logs nothing.
 *
 * @throws SelinuxError `SELINUX_DISABLED`, `SELINUX_INVALID` when the policy has no such context, class or act, `SELINUX_UNREADABLE`.
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
      operation: 'ask the kernel for a decision',
      value: shown,
      said: answer.slice(0, 200),
    })
  }
  return {
    allowed: ((Number.parseInt(allowed, 16) >>> (bit - 1)) & 1) === 1,
    permissive: (Number.parseInt(flags, 16) & 1) === 1,
  }
}

/**
 * Returns whether a context is valid in the loaded policy: its type exists, and its user may have that level.
 *
 * @throws SelinuxError `SELINUX_DISABLED`.
 */
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
  const detail = 'the loaded policy has no such context, class or act'
  return new SelinuxError('SELINUX_INVALID', { operation: 'ask the kernel for a decision', value, detail })
}

/** @returns the answer, or undefined when the policy has no such word. */
async function transact(host: Host, file: string, question: string): Promise<string | undefined> {
  const [path, operation] = [`${selinuxfs}/${file}`, 'ask the kernel for a decision']
  let answer
  try {
    answer = await host.ask(path, `${question}\0`)
  } catch (cause) {
    if (!(cause instanceof HostError)) throw cause
    if (cause.facts.detail === 'EINVAL') return undefined
    const said = cause.facts.detail ?? ''
    throw new SelinuxError('SELINUX_REFUSED', { operation, target: path, value: question, said, cause })
  }
  if (answer === undefined) {
    throw new SelinuxError('SELINUX_DISABLED', { operation, target: path, detail: 'SELinux is off in this kernel' })
  }
  return answer.replace(/\0$/, '')
}
