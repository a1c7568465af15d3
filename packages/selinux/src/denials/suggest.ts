import { renderCil } from '../cil/expression.ts'
import { SelinuxError } from '../errors.ts'
import { dominates, renderRange } from '../level.ts'
import type { DenialGroup } from './report.ts'

/** The explanation of a group of denials. */
export interface Suggestion {
  /**
   * - `apart`: the object belongs to another tenant. The policy works.
   * - `port`: the port has another level: of another tenant, or of no tenant yet.
   * - `level`: the file has another SELinux user and another level, such as the keys of another tenant.
   * - `context`: the object has the context of another user, for example after a copy by root.
   * - `rule`: the policy has no rule for the act.
   */
  readonly kind: 'apart' | 'port' | 'level' | 'context' | 'rule'
  readonly message: string
  /** For `rule`: a rule in CIL that would allow the act to every process of the same domain. The library never installs it. */
  readonly cil?: string
}

const files = ['file', 'dir', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']

/** Explains a group of denials and suggests what to do. Pure. */
export function suggest({ example, acts, class: name }: DenialGroup): Suggestion {
  const { source, target, object } = example
  const what = object === undefined ? `a ${name}` : `the ${name} ${object}`
  const level = target.range === undefined ? '' : renderRange(target.range)
  const reaches =
    source.range === undefined || target.range === undefined || dominates(source.range.high, target.range.high)
  if (!reaches && acts.includes('name_bind')) {
    const own = 'configure the program to listen on a port of this tenant ($PORT)'
    return { kind: 'port', message: `port ${object ?? ''} has the level ${level}, not that of the tenant; ${own}` }
  }
  if (!reaches && source.user === target.user)
    return {
      kind: 'apart',
      message: `${what} has the level ${level} of another tenant; the policy isolates tenants, so no action is needed`,
    }
  if (!reaches && files.includes(name))
    return {
      kind: 'level',
      message: `${what} has the level ${level} and is not meant for this tenant; no action is needed`,
    }
  if (target.user !== source.user && target.user !== 'system_u')
    return { kind: 'context', message: `${what} has the context of the SELinux user ${target.user}; relabel the home` }
  const message = `the policy has no rule that allows ${source.type} the acts ${acts.join(', ')} on ${what} of type ${target.type}`
  try {
    return { kind: 'rule', message, cil: renderCil([['allow', source.type, target.type, [name, acts]]]) }
  } catch (error) {
    if (!(error instanceof SelinuxError)) throw error
    return { kind: 'rule', message }
  }
}
