import t from 'tap'
import { statusOf } from '../src/status.ts'

const rows = [
  ['without limits', { used: 9, soft: 'none', hard: 'none' }, 'ok'],
  ['at the soft limit', { used: 5, soft: 5, hard: 9 }, 'ok'],
  ['above the soft limit, grace time running', { used: 6, soft: 5, hard: 9, graceEnds: 101 }, 'soft'],
  ['above the soft limit, grace time not started', { used: 6, soft: 5, hard: 'none' }, 'soft'],
  ['above the soft limit, grace time over', { used: 6, soft: 5, hard: 9, graceEnds: 100 }, 'expired'],
  ['at the hard limit', { used: 9, soft: 5, hard: 9, graceEnds: 101 }, 'hard'],
  ['above the hard limit', { used: 10, soft: 'none', hard: 9 }, 'hard'],
] as const
for (const [title, numbers, status] of rows) {
  void t.test(`statusOf() ${title} is ${status}`, async (t) => t.equal(statusOf(numbers, 100), status))
}
