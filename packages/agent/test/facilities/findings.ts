import t from 'tap'
import { listProblems } from '../../src/facilities/findings.ts'

const list = (count: number) =>
  listProblems(
    Array.from({ length: count }, (_, n) => n),
    (n) => ({ what: `process ${n}`, otherwise: 'end it' }),
    { name: 'processes', otherwise: 'they too' },
  )

void t.test('listProblems() lists twenty problems, and counts the others', async (t) => {
  t.strictSame(list(0), [])
  t.strictSame(list(1), [{ works: false, what: 'process 0', otherwise: 'end it' }])
  t.equal(list(20).length, 20)
  t.strictSame(list(23).slice(19), [
    { works: false, what: 'process 19', otherwise: 'end it' },
    { works: false, what: '3 more processes', otherwise: 'they too' },
  ])
})
