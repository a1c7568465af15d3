import { QuotaError } from './errors.ts'
import type { QuotaKind } from './limits.ts'

/** Seconds that an id may stay above a soft limit. */
export interface Grace {
  readonly bytes: number
  readonly inodes: number
}

/** What the kernel counts and enforces for one kind. */
export interface KindState {
  /** Whether usage is counted. */
  readonly accounting: boolean
  /** Whether limits are enforced. */
  readonly enforcing: boolean
  /** The inode in which the file system stores the counts. Absent when there is none. */
  readonly inode?: number
  /** Absent when usage is not counted. */
  readonly grace?: Grace
}

/** What the kernel counts and enforces on one file system, by kind. */
export type QuotaState = Readonly<Record<QuotaKind, KindState>>

const off: KindState = { accounting: false, enforcing: false }
const kinds = { User: 'user', Group: 'group', Project: 'project' } as const

/**
 * Parses the output of `xfs_quota -f -x -c state MOUNT`, which also works on ext4. An empty text means no quota.
 * Other tools are not sufficient: `quotaon -p` does not distinguish counting from enforcing, and repquota cuts grace times to minutes.
 *
 *     User quota state on /mnt/b (/dev/loop1)
 *       Accounting: ON
 *       Enforcement: OFF
 *       Inode: #131 (1 blocks, 1 extents)
 *     Blocks grace time: [0 days 00:05:01]
 *     Blocks max warnings: 0
 *     Inodes grace time: [7 days]
 *
 * @throws QuotaError `QUOTA_UNREADABLE` when the text is not empty and does not have all three kinds.
 */
export function parseState(text: string): QuotaState {
  if (text.trim() === '') return { user: off, group: off, project: off }
  const sections = [
    ...text.matchAll(/(?<![^\n])(User|Group|Project) quota state on [^\n]*\n((?:(?!\w+ quota state on)[^\n]*\n)*)/g),
  ]
  const states = new Map(sections.map(([, name = '', body = '']) => [name, parseKind(body)]))
  const [user, group, project] = (['User', 'Group', 'Project'] as const).map((name) => states.get(name))
  if (sections.length === 3 && user !== undefined && group !== undefined && project !== undefined)
    return { user, group, project }
  const missing = Object.entries(kinds).find(([name]) => states.get(name) === undefined)?.[1]
  throw new QuotaError('QUOTA_UNREADABLE', {
    operation: 'parse the output of xfs_quota',
    value: text,
    detail: `the section of ${missing ?? 'one kind'} has an unknown format`,
  })
}

function parseKind(body: string): KindState | undefined {
  const accounting = /(?:^|\n) {2}Accounting: (ON|OFF)(?:\n|$)/.exec(body)?.[1]
  const enforcement = /(?:^|\n) {2}Enforcement: (ON|OFF)(?:\n|$)/.exec(body)?.[1]
  if (accounting === undefined || enforcement === undefined) return undefined
  if (accounting === 'OFF') return off
  const inode = /(?:^|\n) {2}Inode: #(\d{1,15}) /.exec(body)?.[1]
  const bytes = parseGrace(/(?:^|\n)Blocks grace time: \[([^\]\n]{1,40})\](?:\n|$)/.exec(body)?.[1])
  const inodes = parseGrace(/(?:^|\n)Inodes grace time: \[([^\]\n]{1,40})\](?:\n|$)/.exec(body)?.[1])
  if (bytes === undefined || inodes === undefined) return undefined
  return {
    accounting: true,
    enforcing: enforcement === 'ON',
    ...(inode === undefined ? {} : { inode: Number(inode) }),
    grace: { bytes, inodes },
  }
}

/** Parses `7 days`, `1 day 00:01:01` or `0 days 00:05:01` to seconds. Dashes mean none, which is 0. */
function parseGrace(text: string | undefined): number | undefined {
  if (text === '--------') return 0
  const [, days, hours = '0', minutes = '0', seconds = '0'] =
    /^(\d{1,7}) days?(?: (\d\d):(\d\d):(\d\d))?$/.exec(text ?? '') ?? []
  if (days === undefined) return undefined
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)
}
