import type { BothLimits, Limit } from './limits.ts'

/**
 * Renders the input of `setquota -b`: id, soft and hard KiB, soft and hard inodes. 0 means no limit.
 *
 *     10001 1024 2048 100 200
 *
 * Every line ends with a newline. If the last line has none, setquota reports that it is too long, and stops.
 */
export function renderBatch(items: readonly { readonly id: number; readonly limits: BothLimits }[]): string {
  return items.map(({ id, limits }) => `${batchWords(id, limits).join(' ')}\n`).join('')
}

/** Returns the words of one line of a batch. They are also the arguments of setquota for one id. */
export function batchWords(id: number, { bytes, inodes }: BothLimits): readonly string[] {
  return [String(id), kibibytes(bytes.soft), kibibytes(bytes.hard), count(inodes.soft), count(inodes.hard)]
}

/** Returns what setquota printed about one id: `setquota: Cannot set quota for user 70005 from kernel on /dev/vdb: …` */
export function saidOf(id: number, stderr: string): string | undefined {
  const about = new RegExp(`\\b(?:for|user|group|project) (?:user |group |project )?#?${id}\\b`)
  const lines = stderr.split('\n').filter((line) => about.test(line))
  return lines.length === 0 ? undefined : lines.join('; ').slice(0, 1000)
}

/** The tools print KiB, so every limit that was read is a whole number of KiB. */
function kibibytes(limit: Limit): string {
  return limit === 'none' ? '0' : String(Math.ceil(limit / 1024))
}

function count(limit: Limit): string {
  return limit === 'none' ? '0' : String(limit)
}
