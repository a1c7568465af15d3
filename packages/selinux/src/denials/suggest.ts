import { renderCil } from '../cil/expression.ts'
import { SelinuxError } from '../errors.ts'
import { dominates, renderRange } from '../level.ts'
import type { DenialGroup } from './report.ts'

/** What a group of denials means. */
export interface Suggestion {
  /**
   * - `apart`: the object is another tenant's. The policy works.
   * - `port`: the port has another level: another tenant's, or that of no tenant yet.
   * - `level`: the file is of another user and another level, such as another tenant's keys.
   * - `context`: the object has another user's context, as after a copy by root.
   * - `rule`: the policy has no rule for the act.
   */
  readonly kind: 'apart' | 'port' | 'level' | 'context' | 'rule'
  readonly message: string
  /** For `rule`: a rule in CIL that would allow it to every process of the same domain. The library never installs it. */
  readonly cil?: string
}

const files = ['file', 'dir', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']

/** Explains a group of denials, and what would help. Pure. */
export function suggest({ example, acts, class: name }: DenialGroup): Suggestion {
  const { source, target, object } = example
  const what = object === undefined ? `a ${name}` : `the ${name} ${object}`
  const level = target.range === undefined ? '' : renderRange(target.range)
  const reaches =
    source.range === undefined || target.range === undefined || dominates(source.range.high, target.range.high)
  if (!reaches && acts.includes('name_bind')) {
    const own = 'let the program listen on a port of its own ($PORT)'
    return { kind: 'port', message: `port ${object ?? ''} is at ${level}: ${own}` }
  }
  if (!reaches && source.user === target.user)
    return { kind: 'apart', message: `${what} is at ${level}, another tenant’s: tenants are kept apart` }
  if (!reaches && files.includes(name))
    return { kind: 'level', message: `${what} is at ${level}, and not meant for this tenant` }
  if (target.user !== source.user && target.user !== 'system_u')
    return { kind: 'context', message: `${what} has a context of ${target.user}: relabel the home` }
  const message = `no rule lets ${source.type} ${acts.join(', ')} ${what} of ${target.type}`
  try {
    return { kind: 'rule', message, cil: renderCil([['allow', source.type, target.type, [name, acts]]]) }
  } catch (error) {
    if (!(error instanceof SelinuxError)) throw error
    return { kind: 'rule', message }
  }
}
