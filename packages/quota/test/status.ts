import t from 'tap'
import { statusOf } from '../src/status.ts'

const rows = [
  ['nothing is limited', { used: 9, soft: 'none', hard: 'none' }, 'ok'],
  ['at the soft limit', { used: 5, soft: 5, hard: 9 }, 'ok'],
  ['above it, grace running', { used: 6, soft: 5, hard: 9, graceEnds: 101 }, 'soft'],
  ['above it, grace not begun', { used: 6, soft: 5, hard: 'none' }, 'soft'],
  ['above it, grace over', { used: 6, soft: 5, hard: 9, graceEnds: 100 }, 'expired'],
  ['at the hard limit', { used: 9, soft: 5, hard: 9, graceEnds: 101 }, 'hard'],
  ['above the hard limit', { used: 10, soft: 'none', hard: 9 }, 'hard'],
] as const
for (const [title, numbers, status] of rows) {
  void t.test(`statusOf() ${title}`, async (t) => t.equal(statusOf(numbers, 100), status))
}
