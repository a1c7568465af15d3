import fc from 'fast-check'
import t from 'tap'
import { QuotaError } from '../src/errors.ts'
import { emptyReading, limitsOf, parseReport, parseReportLines } from '../src/report.ts'
import { fixture } from './support/fixture.ts'

const now = 1_795_281_800
const parse = (name: string, kind: 'user' | 'group' | 'project' = 'user') => parseReport(kind, fixture(name), now)

void t.test('parseReport() parses real reports', async (t) => {
  const none = { soft: 'none', hard: 'none', status: 'ok' }
  t.strictSame(parse('ext4-user.csv')[2], {
    ...emptyReading(70_002),
    bytes: { used: 0, soft: 1024, hard: 1024, status: 'ok' },
  })
  t.match(parse('xfs-user.csv')[2]?.bytes, { soft: 4096, hard: 4096 }, 'XFS rounds')
  t.match(parse('ext4-user.csv').at(-1), {
    id: 70_004,
    bytes: { hard: 5 * 1024 ** 4 },
    inodes: { hard: 4_294_967_297 },
  })
  t.strictSame(parse('ext4-group.csv', 'group'), [
    { id: 0, bytes: { used: 20_480, ...none }, inodes: { used: 2, ...none } },
  ])
  t.match(parse('xfs-project.csv', 'project').at(-1), { id: 4243, bytes: { used: 102_400 } })
  t.equal(parse('xfs-huge.csv').at(-1)?.id, 4_294_967_294)
})

void t.test('parseReport() computes the status, because the one of repquota is wrong', async (t) => {
  const ends = (left: number, graceEnds = 1_795_886_580) => ({ graceEnds, graceLeft: left })
  const bytes = { soft: 102_400, hard: 204_800 }
  const inodes = { used: 2, soft: 1, hard: 2, status: 'hard' }
  t.strictSame(parse('ext4-grace.csv'), [
    {
      id: 70_009,
      bytes: { used: 155_648, ...bytes, ...ends(604_780), status: 'soft' },
      inodes: { ...inodes, ...ends(604_780) },
    },
  ])
  t.strictSame(parse('ext4-hard.csv'), [
    {
      id: 70_009,
      bytes: { used: 204_800, ...bytes, ...ends(604_781, 1_795_886_581), status: 'hard' },
      inodes: { ...inodes, ...ends(604_780) },
    },
  ])
  const later = parseReport('user', fixture('ext4-grace.csv'), 1_795_886_581)
  t.strictSame(later, [
    {
      id: 70_009,
      bytes: { used: 155_648, ...bytes, ...ends(0), status: 'expired' },
      inodes: { ...inodes, ...ends(0) },
    },
  ])
})

void t.test('parseReport() refuses a text that is cut or of another kind', async (t) => {
  const text = fixture('ext4-user.csv')
  for (let end = 0; end < text.length; end += 1) {
    const cut = text.slice(0, end)
    if (cut.endsWith('\n')) continue
    t.throws(() => parseReport('user', cut, now), { code: 'QUOTA_UNREADABLE' }, `cut at ${end}`)
  }
  t.throws(() => parseReport('group', text, now), { code: 'QUOTA_UNREADABLE' })
  const line = '#5,ok,ok,0,0,0,0,0,0,0,0\n'
  const head = text.slice(0, text.indexOf('\n') + 1)
  t.equal(parseReport('user', head + line, now).length, 1)
  t.throws(() => parseReport('user', head + line + line, now), { message: /more than once/ })
  for (const bad of [
    '#5,ok,ok,0,0,0,7days,0,0,0,0',
    'p1,ok,ok,0,0,0,0,0,0,0,0',
    '#4294967295,ok,ok,0,0,0,0,0,0,0,0',
    '',
  ])
    t.throws(() => parseReport('user', `${head}${bad}\n`, now), { code: 'QUOTA_UNREADABLE' }, bad)
})

void t.test('parseReport() throws only QuotaError', async () => {
  const head = fixture('ext4-user.csv').split('\n')[0] ?? ''
  const field = fc.oneof(fc.constantFrom('#1', 'ok', '0', '-1', '', '1e9', '99999999999999999999999'), fc.string())
  fc.assert(
    fc.property(fc.array(fc.array(field, { maxLength: 12 })), (lines) => {
      try {
        parseReport('user', [head, ...lines.map((line) => line.join(',')), ''].join('\n'), now)
        return true
      } catch (error) {
        return error instanceof QuotaError && error.code === 'QUOTA_UNREADABLE'
      }
    }),
  )
})

void t.test('parseReportLines() yields the valid lines before an invalid line', async (t) => {
  const lines = fixture('ext4-user.csv').split('\n')
  const bad = parseReportLines('user', [...lines.slice(0, 2), 'bad', ''].join('\n'), now)
  t.match(bad.next(), { done: false, value: { id: Number } })
  t.throws(() => bad.next(), { code: 'QUOTA_UNREADABLE', message: /line 3/ })
})

void t.test('limitsOf() returns only the limits', async (t) => {
  const reading = { ...emptyReading(5), bytes: { used: 7, soft: 'none', hard: 8, status: 'ok' } } as const
  t.strictSame(limitsOf(reading), { bytes: { soft: 'none', hard: 8 }, inodes: { soft: 'none', hard: 'none' } })
})
