import { renderCil } from '../cil/expression.ts'
import { SelinuxError } from '../errors.ts'
import { dominates, renderRange } from '../level.ts'
import type { DenialGroup } from './report.ts'

/** What can be said to somebody who asks why. */
export interface Suggestion {
  /**
   * - `apart`: it is another tenant's, and that is the point.
   * - `port`: the port is of another level: another tenant's, or nobody's yet.
   * - `level`: the file is somebody else's, for those of another level: another tenant's keys.
   * - `label`: the object bears another user's label, as after a copy by root.
   * - `rule`: the policy has no rule for it.
   */
  readonly kind: 'apart' | 'port' | 'level' | 'label' | 'rule'
  readonly message: string
  /** For `rule`: what would allow it, in CIL, to all that are confined so. Nobody installs it but you. */
  readonly cil?: string
}

const files = ['file', 'dir', 'lnk_file', 'chr_file', 'blk_file', 'sock_file', 'fifo_file']

/** Says what a group of denials means, and what would help. Pure; nothing is ever applied. */
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
    return { kind: 'label', message: `${what} is labelled as ${target.user}’s: relabel the home` }
  const message = `no rule lets ${source.type} ${acts.join(', ')} ${what} of ${target.type}`
  try {
    return { kind: 'rule', message, cil: renderCil([['allow', source.type, target.type, [name, acts]]]) }
  } catch (error) {
    if (!(error instanceof SelinuxError)) throw error
    return { kind: 'rule', message }
  }
}
