import { QuotaError } from './errors.ts'
import { maxId, type BothLimits, type Limit, type Limits, type QuotaKind } from './limits.ts'
import { statusOf, type QuotaStatus } from './status.ts'

/** Usage and limits of either bytes or inodes. */
export interface Meter extends Limits {
  readonly used: number
  /** The end of the grace time, in seconds since 1970. Absent while no grace time is running. */
  readonly graceEnds?: number
  /** Remaining seconds of the grace time. 0 when it is over. Absent while no grace time is running. */
  readonly graceLeft?: number
  readonly status: QuotaStatus
}

/** Usage and limits of one id. Values above 2^53 are rounded to the nearest JavaScript number. */
export interface QuotaReading {
  readonly id: number
  readonly bytes: Meter
  readonly inodes: Meter
}

const columns =
  'BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,FileUsed,FileSoftLimit,FileHardLimit,FileGrace'
const heads = { user: 'User', group: 'Group', project: 'Project' } as const

/**
 * Parses the output of `repquota -v -n -p -O csv` for one mount and one kind.
 *
 *     User,BlockStatus,FileStatus,BlockUsed,BlockSoftLimit,BlockHardLimit,BlockGrace,FileUsed,FileSoftLimit,FileHardLimit,FileGrace
 *     #70009,soft,soft,152,100,200,1795886580,2,1,2,1795886580
 *
 * Space is in KiB. The status that repquota prints is not used. It is `soft` at the hard limit, and it ignores that a grace time is over.
 *
 * @param now seconds since 1970.
 * @throws QuotaError `QUOTA_UNREADABLE` when the text has another format, or when the last line is cut.
 */
export function parseReport(kind: QuotaKind, text: string, now: number): readonly QuotaReading[] {
  return [...parseReportLines(kind, text, now)]
}

/** Parses the same text and yields one reading at a time. Readings that it yielded before it throws are valid. */
export function* parseReportLines(kind: QuotaKind, text: string, now: number): Generator<QuotaReading, void> {
  const headLine = text.slice(0, Math.max(0, text.indexOf('\n')))
  if (headLine !== `${heads[kind]},${columns}`) throw unreadable(headLine, 1, 'the header has unknown columns')
  if (!text.endsWith('\n')) {
    const last = text.slice(text.lastIndexOf('\n') + 1)
    throw unreadable(last, text.split('\n').length, 'the last line is cut')
  }
  const seen = new Set<number>()
  for (let from = headLine.length + 1, at = 2; from < text.length; at += 1) {
    const to = text.indexOf('\n', from)
    const line = text.slice(from, to)
    from = to + 1
    const reading = parseLine(line, now)
    if (reading === undefined) throw unreadable(line, at, 'the line has an unknown format')
    if (seen.has(reading.id)) throw unreadable(line, at, 'the id occurs more than once')
    seen.add(reading.id)
    yield reading
  }
}

const meter = [1, 2, 3, 4].map(() => '(\\d{1,20})').join(',')
const row = new RegExp(`^#(\\d{1,10}),(?:ok|soft|hard),(?:ok|soft|hard),${meter},${meter}$`)

function parseLine(line: string, now: number): QuotaReading | undefined {
  const fields = row.exec(line)?.slice(1).map(Number)
  if (fields === undefined) return undefined
  const [id = Infinity, used = 0, soft = 0, hard = 0, grace = 0, ...inodes] = fields
  if (id > maxId) return undefined
  const [inodesUsed = 0, inodesSoft = 0, inodesHard = 0, inodesGrace = 0] = inodes
  return {
    id,
    bytes: meterOf({ used: used * 1024, soft: soft * 1024, hard: hard * 1024, grace }, now),
    inodes: meterOf({ used: inodesUsed, soft: inodesSoft, hard: inodesHard, grace: inodesGrace }, now),
  }
}

interface Numbers {
  readonly used: number
  readonly soft: number
  readonly hard: number
  readonly grace: number
}

function meterOf({ used, soft, hard, grace }: Numbers, now: number): Meter {
  const limits = { soft: limitOf(soft), hard: limitOf(hard) }
  const running = grace > 0 && limits.soft !== 'none' && used > limits.soft
  return {
    used,
    ...limits,
    ...(running ? { graceEnds: grace, graceLeft: Math.max(0, grace - now) } : {}),
    status: statusOf({ used, ...limits, ...(running ? { graceEnds: grace } : {}) }, now),
  }
}

function limitOf(value: number): Limit {
  return value === 0 ? 'none' : value
}

/** Returns the reading of an id that has neither usage nor limits in the kernel. */
export function emptyReading(id: number): QuotaReading {
  const nothing: Meter = { used: 0, soft: 'none', hard: 'none', status: 'ok' }
  return { id, bytes: nothing, inodes: nothing }
}

/** Returns the limits of a reading. */
export function limitsOf({ bytes, inodes }: QuotaReading): BothLimits {
  const only = ({ soft, hard }: Limits) => ({ soft, hard })
  return { bytes: only(bytes), inodes: only(inodes) }
}

function unreadable(line: string, at: number, detail: string): QuotaError {
  return new QuotaError('QUOTA_UNREADABLE', { operation: `read line ${at} of repquota`, value: line, detail })
}
