import t from 'tap'
import { createHost } from '../src/index.ts'

void t.test('ask() writes and reads the same file', async (t) => {
  // An ordinary file returns the question as its answer.
  const host = createHost({ root: t.testdir({ answers: '', folder: {} }) })
  t.equal(await host.ask('/answers', 'question'), 'question')
  t.equal(await host.ask('/none', 'question'), undefined)
  t.equal(await host.ask('/answers/below', 'question'), undefined)
  await t.rejects(host.ask('/folder', 'question'), { code: 'HOST_READ_FAILED', facts: { detail: 'EISDIR' } })
})
