import type { Limit } from './limits.ts'
import type { BothLimits } from './plan.ts'

/**
 * Renders the input of `setquota -b`: id, soft and hard KiB, soft and hard inodes, 0 for none.
 *
 *     10001 1024 2048 100 200
 *
 * Every line ends: of one that does not setquota says that it is too long, and stops.
 */
export function renderBatch(items: readonly { readonly id: number; readonly limits: BothLimits }[]): string {
  return items
    .map(({ id, limits: { bytes, inodes } }) =>
      [id, kibibytes(bytes.soft), kibibytes(bytes.hard), count(inodes.soft), count(inodes.hard)].join(' '),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** What setquota said about one id: `setquota: Cannot set quota for user 70005 from kernel on /dev/vdb: …` */
export function saidOf(id: number, stderr: string): string | undefined {
  const about = new RegExp(`\\b(?:for|user|group|project) (?:user |group |project )?#?${id}\\b`)
  const lines = stderr.split('\n').filter((line) => about.test(line))
  return lines.length === 0 ? undefined : lines.join('; ').slice(0, 1000)
}

/** A foreign limit that is no whole number of KiB does not occur: the tools print KiB. */
function kibibytes(limit: Limit): string {
  return limit === 'none' ? '0' : String(Math.ceil(limit / 1024))
}

function count(limit: Limit): string {
  return limit === 'none' ? '0' : String(limit)
}
