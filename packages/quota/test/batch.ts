import t from 'tap'
import { renderBatch, saidOf } from '../src/batch.ts'
import { fixture } from './support/fixture.ts'

void t.test('renderBatch() renders only numbers and ends every line with a newline', async (t) => {
  const limits = { bytes: { soft: 1024, hard: 5 * 1024 ** 4 }, inodes: { soft: 'none', hard: 7 } } as const
  t.equal(
    renderBatch([
      { id: 5, limits },
      { id: 6, limits },
    ]),
    '5 1 5368709120 0 7\n6 1 5368709120 0 7\n',
  )
  t.equal(renderBatch([]), '')
})

void t.test('saidOf() returns what setquota printed about one id', async (t) => {
  const said = fixture('ext4-refused.txt')
  t.match(saidOf(70_005, said), /^setquota: Cannot set quota for user 70005 .*; .*Cannot write quota for 70005 /)
  t.match(saidOf(70_008, said), /70008/)
  for (const id of [70_001, 7000, 5, 3]) t.equal(saidOf(id, said), undefined, String(id))
})
